/**
 * A model repository for Triton: its configuration by Google's protoc against the schema of its fields, its models by
 * onnxruntime, served and called by the client of the docs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { predict, verify } from '../../lib/index.ts';
import { openSession, type Port } from '../../lib/runtime/session.ts';
import { tensor } from '../../reference/tensor.ts';
import { commandLines } from '../support/command-lines.ts';
import { skipBecause } from '../support/skip.ts';
import { serveModel } from '../support/v2-server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SCHEMA = 'triton-config.proto';

type Message = { [key: string]: string | Message | (string | Message)[] };

/** protoc's canonical text: a field a line, messages in braces. Strings stay quoted; a repeated field is a list. */
function parsed(lines: string[]): Message {
  const message: Message = {};
  for (let line = lines.shift(); line !== undefined && line.trim() !== '}'; line = lines.shift()) {
    const [, key, value] = /^\s*(\w+)(?:: (.*)| \{)$/.exec(line)!;
    const found = value ?? parsed(lines);
    message[key] = key in message ? [message[key], found].flat() : found;
  }
  return message;
}

/** A configuration as protoc reads it; what it says against it where it does not. */
function protoc(config: string): { message?: Message; complaint: string } {
  const run = (mode: string, input: string | Buffer) =>
    spawnSync('protoc', ['-I', join(root, 'spec/support'), `--${mode}=inference.ModelConfig`, SCHEMA], {
      input,
    });
  const encoded = run('encode', config);
  if (encoded.status !== 0) return { complaint: String(encoded.stderr) };
  const text = String(run('decode', encoded.stdout).stdout).trimEnd();
  return { message: parsed(text.split('\n')), complaint: '' };
}

describe('export --triton', () => {
  const { path, json, refused, text, write, bytes } = commandLines();
  const line = 'export --triton models --network cifar-alexnet';
  let models: { name: string; file: string; config: string; views: number }[];
  before(async () => ({ models } = await json(line)));

  it('two models, whose configuration is that of the files, field by field', async function () {
    if (spawnSync('protoc', ['--version']).error)
      skipBecause(this, 'there is no protoc (Debian: apt-get install protobuf-compiler)');
    expect(models.map(({ name, views }) => [name, views])).to.deep.equal([
      ['cifar-alexnet', 1],
      ['cifar-alexnet-ten-views', 10],
    ]);
    for (const { name, file, config, views } of models) {
      const { message, complaint } = protoc(text(config));
      expect(complaint).to.equal('');
      await using session = await openSession(bytes(file), 'cpu');
      const most = views === 10 ? 8 : 64;
      const port = ({ name: one, type, shape }: Port) => {
        expect(shape[0], 'the batch is free').to.be.a('string');
        const data_type = type === 'uint8' ? 'TYPE_UINT8' : 'TYPE_FP32';
        return { name: `"${one}"`, data_type, dims: shape.slice(1).map(String) };
      };
      const [input] = session.inputs.map(port);
      const [{ dims, ...output }] = session.outputs.map(port);
      const format = views === 10 ? 'FORMAT_NHWC' : 'FORMAT_NCHW';
      expect(message).to.deep.include({
        name: `"${name}"`,
        backend: '"onnxruntime"',
        max_batch_size: String(most),
        input: { ...input, format },
        output: { ...output, dims: dims[0], label_filename: '"labels.txt"' },
        version_policy: { latest: { num_versions: '1' } },
        instance_group: { count: '1' }, // KIND_AUTO is 0, which text leaves out
        dynamic_batching: {
          preferred_batch_size: [most / 8, most / 4, most / 2, most].filter((size) => size > 1).map(String),
          max_queue_delay_microseconds: '2000',
          default_queue_policy: { max_queue_size: '1024' },
        },
        optimization: {
          execution_accelerators: {
            gpu_execution_accelerator: {
              name: '"cuda"',
              parameters: [
                { key: '"cudnn_conv_algo_search"', value: '"HEURISTIC"' },
                { key: '"use_tf32"', value: '"0"' },
              ],
            },
          },
        },
      });
      const warm = message!.model_warmup as { batch_size: string; inputs: Message }[];
      for (const { batch_size, inputs } of warm) {
        const { name: key, data_type, dims: size } = input;
        expect(inputs).to.deep.equal({ key, value: { data_type, dims: size, random_data: 'true' } });
        const shape = [Number(batch_size), ...size.map(Number)];
        const data = new Uint8Array(shape.reduce((a, b) => a * b));
        const values =
          data_type === 'TYPE_UINT8'
            ? { dtype: 'uint8', shape, data }
            : tensor(Float32Array.from(data), shape);
        const results = await session.run(new Map([[session.inputs[0].name, values as never]]));
        expect([...results.values()][0].shape).to.deep.equal([Number(batch_size), 10]);
      }
      expect(
        text(join('models', name, 'labels.txt'))
          .split('\n')
          .slice(2, 4),
      ).to.deep.equal(['bird', 'cat']);
    }
    const wrong = protoc(text(models[0].config).replace('max_batch_size', 'max_batchsize'));
    expect(wrong.complaint).to.match(/no field named "max_batchsize"/);
  });

  it('written again; what somebody has edited is kept, and options that no repository has are refused', async () => {
    await json(line);
    const edited = text(models[0].config).replace('count: 1', 'count: 2');
    write(models[0].config, edited);
    expect(await refused(line)).to.match(/config\.pbtxt: exists/);
    expect(text(models[0].config)).to.equal(edited);
    await json(`${line} --force`);
    expect(text(models[0].config)).to.contain('count: 1');
    write('models/cifar-alexnet/labels.txt', 'mine');
    expect(await refused(line)).to.match(/labels\.txt: exists/);
    await json(`${line} --force`);
    for (const option of ['--batch 4', '--views 10', '--graph gradients', '--resize'])
      expect(await refused(`${line} ${option}`)).to.contain(`--triton and ${option} do not go together`);
    expect(await refused(`export m.onnx --triton models`)).to.match(/give OUT\.onnx, or --triton DIR/);
    expect(await refused('export --triton m.onnx/x --network nobody')).to.match(/nobody/);
  });

  it('--tap serves every layer, so that verify --endpoint judges each', async () => {
    const { models: tapped } = await json(`${line.replace('models', 'tapped')} --tap`);
    expect(tapped).to.have.length(1);
    await using session = await openSession(bytes(tapped[0].file), 'cpu');
    const server = await serveModel(session, { maxBatch: 64 });
    const endpoint = `${server.address}/v2/models/net`;
    const { verdict, layers } = await verify({ model: path(tapped[0].file), endpoint }).finally(server.close);
    expect([verdict, layers.every(({ introduced }) => introduced)]).to.deep.equal(['pass', true]);
  });

  it('the client of the docs gets the classes of the oracle, in ten views', async () => {
    const [, { file }] = models;
    await using session = await openSession(bytes(file), 'cpu');
    const labels = text('models/cifar-alexnet-ten-views/labels.txt').split('\n');
    const server = await serveModel(session, { maxBatch: 8, labels });
    const pictures = [0, 1].map((n) =>
      new Uint8Array(3 * 32 * 32).map((_, i) => (i * (17 + 40 * n) + (i >> 5)) % 256),
    );
    for (const [n, data] of pictures.entries()) write(`${n}.rgb`, data);
    const names = ['0.rgb', '1.rgb'];
    const client = join(root, 'docs/triton-client.ts');
    const { out, status } = await ended(['--import=tsx', client, server.address, 'net', ...names.map(path)]);
    const bad = await ended(['--import=tsx', client, server.address, 'net', client]);
    server.close();
    expect(status).to.equal(0);
    expect([bad.status, bad.err.includes('UINT8 [32,32,3] is 3072')]).to.deep.equal([1, true]);
    const told = out.trimEnd().split('\n');
    const files = pictures.map((data) => {
      const png = new PNG({ width: 32, height: 32 });
      for (let i = 0; i < 1024; i++) png.data.set([...data.subarray(3 * i, 3 * i + 3), 255], 4 * i);
      return PNG.sync.write(png);
    });
    const how = { network: 'cifar-alexnet', views: 10, engine: 'oracle' } as const;
    const { predictions } = await predict(files, how);
    for (const [n, { guesses }] of predictions.entries()) {
      expect(told.shift()).to.equal(path(names[n]));
      for (const { name, probability } of guesses!) {
        const [value, label] = told.shift()!.trim().split('  ');
        expect(label).to.equal(name);
        expect(Number(value)).to.be.closeTo(probability, 1e-4); // four digits are printed
      }
    }
  });
});

/** A child whose parent answers it meanwhile. */
function ended(args: string[]): Promise<{ status: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, args, { cwd: root });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => (out += text));
  child.stderr.on('data', (text) => (err += text));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}
