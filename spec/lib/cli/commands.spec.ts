/** What commands take and print: both sides of every number's range, defaults, and tables to the last column. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Command } from 'commander';
import { encodeTensor } from '../../../export/proto.ts';
import { fromTensor } from '../../../lib/array/value.ts';
import * as conform from '../../../lib/cli/commands/conform.ts';
import * as doctor from '../../../lib/cli/commands/doctor.ts';
import * as evaluate from '../../../lib/cli/commands/evaluate.ts';
import * as exporting from '../../../lib/cli/commands/export.ts';
import * as predict from '../../../lib/cli/commands/predict.ts';
import * as running from '../../../lib/cli/commands/run.ts';
import * as summary from '../../../lib/cli/commands/summary.ts';
import * as train from '../../../lib/cli/commands/train.ts';
import * as verify from '../../../lib/cli/commands/verify.ts';
import * as weights from '../../../lib/cli/commands/weights.ts';
import { writeNpy } from '../../../lib/format/npy.ts';
import { tensor } from '../../../reference/tensor.ts';
import { runHere } from '../../support/child.ts';
import { f32, graph, info, modelBytes, tensorOf } from '../../support/onnx.ts';
import { writeNpz } from '../../support/tensor-bytes.ts';

const program = new Command('alexnet');
const rooms = [summary, exporting, verify, predict, evaluate, doctor, conform, running, weights, train];
for (const { register } of rooms) register(program);
const all = program.commands.flatMap((one) => [one, ...one.commands]);
const named = (name: string) => all.find((one) => one.name() === name)!;
const optionOf = (command: string, flag: string) =>
  named(command).options.find(({ long }) => long === `--${flag}`)!;

describe('what commands take', () => {
  it('every command, argument and option is told what it does', () => {
    const silent = all.flatMap((one) => [
      ...(one.description() ? [] : [one.name()]),
      ...[...one.registeredArguments.map((given) => [given.name(), given.description] as const)]
        .filter(([, about]) => !about)
        .map(([name]) => `${one.name()} ${name}`),
      ...one.options.filter(({ description }) => !description).map(({ long }) => `${one.name()} ${long}`),
    ]);
    expect(silent).to.deep.equal([]);
  });

  /** The least of each whole number; MOST where there is one. */
  const least: Readonly<Record<string, Readonly<Record<string, number>>>> = {
    summary: { batch: 1 },
    export: { seed: 0, opset: 1, batch: 1 },
    verify: { seed: 0, batch: 1, repeat: 1, steps: 1 },
    predict: { seed: 0, top: 1, 'scan-budget': 1 },
    evaluate: { seed: 0, top: 1, batch: 1, limit: 1, threads: 1 },
    run: { 'max-memory': 1, 'max-nodes': 1, 'max-seconds': 1 },
    train: {
      ...{ epochs: 1, batch: 1, seed: 0, images: 1, 'validation-images': 1, 'validate-every': 1, threads: 1 },
      ...{ 'checkpoint-every': 1 },
    },
  };
  for (const [command, numbers] of Object.entries(least)) {
    it(`${command}: each whole number from its least on`, () => {
      for (const [flag, value] of Object.entries(numbers)) {
        const parse = (text: string) => optionOf(command, flag).parseArg!(text, undefined as never);
        expect(parse(String(value)), flag).to.equal(value);
        for (const text of [String(value - 1), '1.5', '', 'x', '9007199254740993'])
          expect(() => parse(text), `${flag} '${text}'`).to.throw(
            flag === 'threads' ? 'from 1 to 256' : `an integer of at least ${value}`,
          );
      }
    });
  }

  it('256 threads are the most', () => {
    for (const command of ['train', 'evaluate']) {
      const parse = (text: string) => optionOf(command, 'threads').parseArg!(text, undefined as never);
      expect(parse('256')).to.equal(256);
      expect(() => parse('257')).to.throw('from 1 to 256');
    }
  });

  it('export --batch dynamic, and numbers that are none', () => {
    expect(optionOf('export', 'batch').parseArg!('dynamic', undefined as never)).to.equal('dynamic');
    for (const flag of ['learning-rate', 'momentum', 'weight-decay', 'width', 'last-deviation']) {
      const parse = (text: string) => optionOf('train', flag).parseArg!(text, undefined as never);
      expect(parse('-1e-3'), flag).to.equal(-0.001);
      for (const text of ['', ' ', 'abc', 'Infinity']) expect(() => parse(text)).to.throw('must be a number');
    }
  });

  it('what is meant where nothing is said', () => {
    const defaults = (command: string) =>
      Object.fromEntries(Object.entries(named(command).opts()).filter(([, value]) => value !== undefined));
    expect(defaults('summary')).to.deep.equal({ batch: 1 });
    expect(defaults('export')).to.deep.equal({
      ...{ precision: 'float32', input: 'float32', views: '1', graph: 'inference' },
    });
    expect(defaults('verify')).to.deep.equal({ device: 'auto' });
    const pictures = { top: 5, device: 'auto', engine: 'onnxruntime', decoder: 'jpeg-js' };
    // samples of a JPEG's scans, in 10⁹: docs/cli.md
    expect(defaults('predict')).to.deep.equal({ ...pictures, scanBudget: 2 });
    expect(defaults('evaluate')).to.deep.equal(pictures);
    expect(defaults('doctor')).to.deep.equal({});
    expect(defaults('conform')).to.deep.equal({ engine: 'oracle', device: 'auto' });
    expect(defaults('run')).to.deep.equal({ engine: 'oracle', device: 'auto', precision: 'float32' });
    expect(defaults('train')).to.deep.equal({ dropout: true, scale: true });
  });

  it('devices by number, ranges and folds by name', () => {
    const device = optionOf('verify', 'device');
    expect(device.parseArg!('cuda:3', undefined as never)).to.equal('cuda:3');
    expect(() => device.parseArg!('tpu', undefined as never)).to.throw('auto, cpu, cuda, cuda:N, webgpu');
    const range = optionOf('convert', 'range');
    expect(['255', '1'].map((text) => range.parseArg!(text, undefined as never))).to.deep.equal([255, 1]);
    const fold = optionOf('convert', 'fold');
    expect(fold.parseArg!('mean', undefined as never)).to.deep.equal(['mean']);
    expect(fold.parseArg!('deviation', ['mean'] as never)).to.deep.equal(['mean', 'deviation']);
    expect(() => fold.parseArg!('both', undefined as never)).to.throw('mean or deviation');
  });

  it('doctor: one of --add-cuda and --remove-cuda', async () => {
    const { status, err } = await runHere(['doctor', '--add-cuda', '--remove-cuda'], tmpdir());
    expect(err).to.match(/'--add-cuda' cannot be used with option '--remove-cuda'/);
    expect(status).to.equal(2);
  });
});

describe('what commands print', () => {
  let folder: string;
  const alexnet = (words: string) => runHere(words.split(' '), folder, { XDG_CACHE_HOME: folder });
  const array = (values: readonly number[], ...shape: readonly number[]) =>
    fromTensor(tensor(Float32Array.from(values), shape.length > 0 ? shape : [values.length]));
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    const add = { op: 'Add', inputs: ['x', 'x'], outputs: ['y'] };
    const model = graph([add], [info('x', 'float32', [1, 2])], [info('y', 'float32', [1, 2])]);
    writeFileSync(join(folder, 'double.onnx'), modelBytes(model));
    writeFileSync(join(folder, 'x.npy'), writeNpy(array([3, -4], 1, 2)));
    writeFileSync(join(folder, 'y.npy'), writeNpy(array([7, -4], 1, 2)));
    const files = {
      'a.npz': [array([1, 2, 3]), array([1], 1, 1), array([2])],
      // the next float32 above 2; another shape; nothing
      'b.npz': [array([1, 2 + 2 ** -22, 3]), array([1], 1)],
      'nan.npz': [array([1, Number.NaN, 3]), array([1], 1, 1), array([2])],
      'same.npz': [array([1, 2, 3]), array([1], 1, 1), array([2])],
    };
    for (const [name, arrays] of Object.entries(files))
      writeFileSync(join(folder, name), writeNpz(arrays.map((value, i) => ['pqr'[i], value] as const)));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('summary: the figures of cifar10_full, worked out by hand', async () => {
    const { out } = await alexnet('summary --network cifar10-full --batch 2');
    const lines = out.trim().split('\n');
    expect(lines[2].split(/ {2,}/)).to.deep.equal([
      ...['layer', 'operation', 'output', 'parameters', 'MACs', 'activations'],
    ]);
    // 2 images: 32·32·32 outputs of 75 products; (75 + 1)·32 parameters; 2·32³·4 bytes
    expect(lines[3]).to.match(/^conv1 +conv2d +2×32×32×32 +2,432 +4,915,200 +0\.3 MB$/);
    expect(lines[14]).to.match(/^flatten +flatten +2×1024 +0 +0 +0\.0 MB$/);
    expect(lines[17]).to.match(/^total +89,578 +24,596,480 +0\.7 MB$/);
    expect(lines[19]).to.equal('for 2 images; parameters are 0.4 MB in float32');
    expect((await alexnet('summary --network cifar10-full')).out).to.match(/^for one image; /m);
    expect(JSON.parse((await alexnet('summary --json')).out)).to.include({ version: 1, name: 'alexnet2012' });
  });

  it('export: what was written, on stdout; on stderr where stdout is the file', async () => {
    const { out, err } = await alexnet('export e.onnx --network cifar10-full --seed 3 --init caffe');
    expect(out).to.match(
      /^e\.onnx: cifar10-full, 89,578 parameters \(.*seed 3.*\), opset 13, float32, 0\.4 MB\n$/,
    );
    expect(err).to.equal('');
    const training = await alexnet('export t.onnx --network cifar10-full --graph training --batch 2');
    expect(training.out).to.match(
      /^t\.onnx: cifar10-full, training, 89,578 parameters .*, opset 18, float32/,
    );
  });

  it('run: names, types and shapes, and the file that has them', async () => {
    const { out } = await alexnet('run double.onnx --input x=x.npy --out y.npz');
    expect(out).to.equal('y  float32 [1,2]\nthe oracle, float32 storage: y.npz\n');
    const json = await alexnet('run double.onnx --input x=x.npy --out y.npz --json');
    expect(JSON.parse(json.out)).to.deep.equal({
      ...{ version: 1, model: 'double.onnx', engine: 'the oracle, float32 storage', out: 'y.npz' },
      values: [{ name: 'y', dtype: 'float32', shape: [1, 2] }],
    });
  });

  it('conform: what did not pass and why, the sums, exit 1 for a failure alone', async () => {
    const pb = (...data: number[]) => encodeTensor(tensorOf(f32(data, [1, 2])));
    for (const [name, wanted] of [
      ['right', pb(6, -8)],
      ['wrong', pb(6, -7)],
    ] as const) {
      const test = join(folder, name);
      mkdirSync(join(test, 'test_data_set_0'), { recursive: true });
      copyFileSync(join(folder, 'double.onnx'), join(test, 'model.onnx'));
      writeFileSync(join(test, 'test_data_set_0', 'input_0.pb'), pb(3, -4));
      writeFileSync(join(test, 'test_data_set_0', 'output_0.pb'), wanted);
    }
    const right = await alexnet('conform right');
    expect([right.status, right.err]).to.deep.equal([0, '']);
    expect(right.out).to.match(
      /^1 passed, 0 failed, 0 unsupported on the oracle in \d+\.\d s\n0 of them .*\n$/,
    );
    const wrong = await alexnet('conform right wrong');
    expect(wrong.status).to.equal(1);
    expect(wrong.out).to.match(/^failed {6}wrong: .*\n1 passed, 1 failed, 0 unsupported on the oracle in /);
    const device = await alexnet('conform right --engine onnxruntime --device cpu');
    expect(device.out).to.match(/^1 passed, .* on onnxruntime \(cpu\) in /);
  });

  it('weights diff: equal, and one ULP, a shape and a tensor apart', async () => {
    const same = await alexnet('weights diff a.npz same.npz');
    expect([same.status, same.out]).to.deep.equal([0, 'a.npz and same.npz hold the same bits (3 tensors)\n']);
    const { status, out } = await alexnet('weights diff a.npz b.npz');
    expect(status).to.equal(1);
    const [head, empty, titles, ...rows] = out.trimEnd().split('\n');
    expect([head, empty]).to.deep.equal(['a.npz against b.npz', '']);
    expect(titles.split(/ +/)).to.deep.equal(['tensor', 'shape', 'differ', 'of', 'ULPs', 'absolute', 'at']);
    expect(rows[0]).to.match(/^p +3 +1 +3 +1 +2\.4e-7 +1$/);
    expect(rows[1]).to.match(/^q +1×1 \/ 1 +1 +1 +∞ +\S+$/);
    expect(rows[2]).to.match(/^r +1 \/ missing +1 +1 +∞ +\S+$/);
    expect((await alexnet('weights diff a.npz nan.npz')).out).to.match(/^p +3 +1 +3 +∞ +\S+$/m);
  });

  it('weights inspect: a range, what is not finite, and nothing that fits', async () => {
    const { out } = await alexnet('weights inspect nan.npz');
    const size = readFileSync(join(folder, 'nan.npz')).length;
    expect(out).to.match(new RegExp(`^nan\\.npz: npz, ${size} bytes, 5 values\nfits no network here\n`));
    expect(out).to.match(/^p +float32 +3 +1\.000 … 3\.000 +1 not finite +—$/m);
    expect(out).to.match(/^q +float32 +1×1 +1\.000 … 1\.000 +—$/m);
  });

  it('weights get: where it is and what may be done with it', async () => {
    const { out } = await alexnet('weights get');
    expect(out.split('\n')[0].split(/ {2,}/)).to.deep.equal([
      ...['name', 'network', 'size', 'checksums', 'licence', 'address'],
    ]);
    // its file's name ends with the first digits
    expect(out).to.match(
      /^torchvision +torchvision +233\.1 MiB +sha256 7be5be79… .*alexnet-owt-7be5be79\.pth$/m,
    );
  });

  it('--debug shows where an error comes from, and nothing else does', async () => {
    const plain = await alexnet('summary --network lenet');
    const deep = await alexnet('summary --network lenet --debug');
    expect(plain.err.trimEnd().split('\n')).to.have.length(1);
    expect(deep.err).to.match(/^alexnet: unknown network 'lenet'.*\n[^\n]*Error: unknown[^\n]*\n +at /);
    expect([plain.status, deep.status]).to.deep.equal([2, 2]);
    expect(await alexnet('summary --network cifar10-full --debug')).to.include({ status: 0, err: '' });
    expect((await alexnet('summary --help')).out).to.match(/--debug +show the stack trace of an error/);
  });

  it('a guess: its share to a tenth of a per cent, its name; nothing of a picture that could not be read', () => {
    const guesses = [
      { class: 281, name: 'tabby', probability: 0.41349 },
      { class: 1, name: 'a\nb', probability: 0.001 },
    ];
    expect(predict.predictionText({ image: 'cat.jpg', guesses })).to.equal(
      'cat.jpg\n   41.3 %  tabby\n    0.1 %  a\\nb\n',
    );
    expect(predict.predictionText({ image: 'none.jpg', error: 'none.jpg: torn' })).to.equal('');
  });

  it('no command at all: help on stderr, exit 2; --help on stdout, exit 0', async () => {
    const none = await runHere([], folder);
    expect([none.status, none.out]).to.deep.equal([2, '']);
    expect(none.err).to.match(/^Usage: alexnet/);
    const help = await alexnet('--help');
    expect([help.status, help.err]).to.deep.equal([0, '']);
    const order = [...help.out.matchAll(/^ {2}(\w+)(?: |$)/gm)].map(([, name]) => name);
    expect(order).to.deep.equal([
      ...[
        'summary',
        'export',
        'verify',
        'predict',
        'explain',
        'picture',
        'evaluate',
        'doctor',
        'conform',
        'run',
        'weights',
      ],
      ...['train', 'help'],
    ]);
    const version = await alexnet('--version');
    expect([version.status, version.out]).to.deep.equal([0, '0.1.0\n']);
  });
});
