/** A run that was saved and is judged again: what is found, and which of its files has changed. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, mkdirSync } from 'node:fs';
import { expect } from 'chai';
import { buildModel } from '../../export/index.ts';
import { encodeModel } from '../../export/proto.ts';
import { type NumericValue, narrowed } from '../../lib/array/value.ts';
import { readTensors, writeTensors } from '../../lib/disk/tensors.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { commandLines } from '../support/command-lines.ts';
import { narrow, random, randomWeights } from '../support/models.ts';

const network = narrow(networkNamed('cifar-alexnet'));
const OF = '--network cifar-alexnet --weights w.npz';
const ON = '--input x.npy --device cpu';

describe('a run that was saved', function () {
  this.timeout(120_000);
  const { path, run, json, refused, text, bytes, write } = commandLines();
  const weights = randomWeights(network, 5);
  const again = (folder: string, more = OF, status = 0) => json(`verify --values ${folder} ${more}`, status);
  // biome-ignore lint/suspicious/noExplicitAny: JSON as its readers read it
  const record = (folder: string): any => JSON.parse(text(`${folder}/run.json`));
  const copy = (name: string): string => {
    cpSync(path('saved'), path(name), { recursive: true });
    return name;
  };
  // biome-ignore lint/suspicious/noExplicitAny: JSON as its readers read it
  let first: any;
  before(async () => {
    await writeTensors(path('w.npz'), weights);
    await writeTensors(path('x.npy'), { x: random([2, ...network.input], 8, 100) });
    await writeTensors(path('one.npy'), { x: random([1, ...network.input], 8, 100) });
    write('any.onnx', encodeModel({ ...buildModel(network, weights, {}).model, metadataProps: [] }));
    first = await json(`verify ${OF} --input one.npy --device cpu --save saved`);
  });

  it('is judged as it was: every figure of every layer is the same', async () => {
    const second = await again('saved');
    expect([second.verdict, second.device, second.required]).to.deep.equal(['pass', 'cpu', 'float32']);
    const figures = ({ layers }: typeof first) =>
      layers.map(({ devices: _, ...row }: { devices: unknown }) => row);
    expect(figures(second)).to.deep.equal(figures(first));
    expect(second.margin).to.deep.equal(first.margin);
    expect(second.runs.map(({ graph }: { graph: string }) => graph)).to.deep.equal(['elsewhere']);
    const { out } = await run(`verify --values saved ${OF}`);
    expect(out).to.match(
      /^saved run: by alexnet-oracle \S+, onnxruntime-node \S+, node \S+; verdict then: pass$/m,
    );
  });

  it('says of what it was: versions, system, arithmetic, the hash of every file', () => {
    const { versions, computer, arithmetic, device, files, verdict } = record('saved');
    expect(Object.keys(versions)).to.deep.equal(['alexnet-oracle', 'onnxruntime-node', 'node']);
    expect([device, arithmetic, verdict]).to.deep.equal(['cpu', 'float32', 'pass']);
    expect(computer.system).to.include(process.arch);
    const sha256 = (name: string): string => createHash('sha256').update(bytes(name)).digest('hex');
    expect(files).to.deep.equal([
      { role: 'device', file: 'device.npz', sha256: sha256('saved/device.npz') },
      { role: 'oracle', file: 'oracle.npz', sha256: sha256('saved/oracle.npz') },
      { role: 'weights', file: 'w.npz', sha256: sha256('w.npz') },
      { role: 'input', file: 'one.npy', sha256: sha256('one.npy') },
    ]);
  });

  it('a byte of any file that changed: the file is named, and what was expected', async () => {
    for (const side of ['device', 'oracle']) {
      const file = `${copy(`changed-${side}`)}/${side}.npz`;
      const changed = bytes(file);
      changed[changed.length >> 1] ^= 1;
      write(file, changed);
      const { sha256 } = record('saved').files.find(({ role }: { role: string }) => role === side);
      expect(await refused(`verify --values changed-${side} ${OF}`))
        .to.include(`changed-${side}/${side}.npz: it was changed`)
        .and.include(sha256);
    }
    for (const [name, option] of [
      ['w.npz', '--weights'],
      ['one.npy', '--input'],
    ]) {
      write(`other-${name}`, bytes(name));
      appendFileSync(path(`other-${name}`), 'x');
      const line = `verify --values saved --network cifar-alexnet ${option === '--input' ? '--weights w.npz ' : ''}${option} other-${name}`;
      expect(await refused(line)).to.match(
        new RegExp(
          `other-${name}: the run was not of this .*SHA-256 is [0-9a-f]{64}, run.json says [0-9a-f]{64}`,
        ),
      );
    }
    expect(await refused('verify --values saved')).to.match(
      /the run was of w.npz \(SHA-256 [0-9a-f]{64}\): give it with --weights/,
    );
  });

  it('one bit of one value: its hash tells; with the hash mended, the bound, down to the last bits', async () => {
    const values = await readTensors(path('saved/device.npz'));
    const flipped = async (name: string, at: number, bit: number): Promise<string> => {
      const folder = copy(`${name}-${at}-${bit}`);
      const value = values.get(name)!;
      const data = Float32Array.from(value.data as Float32Array);
      new Uint32Array(data.buffer)[at] ^= 1 << bit;
      await writeTensors(
        path(`${folder}/device.npz`),
        new Map([...values, [name, { ...value, data } as NumericValue]]),
      );
      return folder;
    };
    const mended = (folder: string): string => {
      const said = record(folder);
      said.files[0].sha256 = createHash('sha256')
        .update(bytes(`${folder}/device.npz`))
        .digest('hex');
      write(`${folder}/run.json`, JSON.stringify(said));
      return folder;
    };
    for (const [name, bit, layer] of [
      ['conv3', 30, 'conv3'],
      ['conv3', 0, 'relu3'], // which is exact
      ['relu1', 0, 'relu1'],
      ['fc8', 12, 'fc8'],
      ['norm1', 22, 'norm1'],
      ['prob', 31, 'prob'],
    ] as const) {
      const at = (values.get(name)!.data as Float32Array).findIndex((v) => v > 0);
      const folder = await flipped(name, at, bit);
      expect(await refused(`verify --values ${folder} ${OF}`)).to.include('device.npz: it was changed');
      const { verdict, first: wrong } = await again(mended(folder), `${OF} --bundle ${folder}-bundle`, 1);
      expect([verdict, wrong], `${name}, bit ${bit}`).to.deep.equal(['fail', layer]);
      const repro = spawnSync(process.execPath, [path(`${folder}-bundle/repro.mjs`)], { encoding: 'utf8' });
      expect(repro.stdout).to.match(new RegExp(`^${layer} on another engine: [1-9]`));
      expect(repro.status).to.equal(1);
    }
    // a right device may round that way too
    const { verdict } = await again(mended(await flipped('fc8', 0, 0)));
    expect(verdict).to.equal('pass');
  });

  it('another input than the run had is found by its numbers, whatever the record says', async () => {
    const folder = copy('without-input');
    const said = record(folder);
    write(`${folder}/run.json`, JSON.stringify({ ...said, files: said.files.slice(0, 3) }));
    expect((await again(folder, `${OF} --input one.npy`)).verdict).to.equal('pass');
    await writeTensors(path('another.npy'), { x: random([1, ...network.input], 9, 100) });
    expect(await refused(`verify --values ${folder} ${OF} --input another.npy`)).to.include('another input');
  });

  it('whatever was run: LRN in another form, a batch, a file, float16, any graph, gradients, a step', async () => {
    const half = buildModel(network, weights, { precision: 'float16' });
    write('half.onnx', encodeModel(half.model));
    write('any-half.onnx', encodeModel({ ...half.model, metadataProps: [] }));
    await json('export apart.onnx --network cifar10-full --seed 1 --external-data');
    const runs: [of: string, options: string, more: string][] = [
      ['', '--network cifar10-full --seed 4 --init caffe --device cpu', ''],
      ['', `${OF} ${ON} --lrn decomposed --precision float64`, '--weights w.npz'],
      ['', `${OF} ${ON} --require tf32`, '--weights w.npz'],
      ['half.onnx ', `--network cifar-alexnet ${ON}`, ''],
      ['apart.onnx ', '--device cpu', ''],
      ['any.onnx ', ON, ''],
      ['any-half.onnx ', ON, ''],
      ['', `${OF} ${ON} --graph gradients`, '--weights w.npz --input x.npy'],
      [
        '',
        '--network cifar10-full --seed 3 --batch 3 --device cpu --graph training --steps 2 --update caffe',
        '',
      ],
    ];
    for (const [i, [of, options, more]] of runs.entries()) {
      const { verdict, required, layers } = await json(`verify ${of}${options} --save run${i}`);
      const { status, out, err } = await run(`verify ${of}--values run${i} --json ${more}`.trim());
      expect(status, `${options}: ${err}${out.slice(0, 2000)}`).to.equal(0);
      const found = JSON.parse(out);
      expect([found.verdict, found.required], options).to.deep.equal([verdict, required]);
      if (!options.includes('--graph')) expect(found.layers.length, options).to.equal(layers.length);
    }
    appendFileSync(path('apart.onnx.data'), 'x');
    expect(await refused('verify apart.onnx --values run4')).to.include(
      'apart.onnx.data: the run was not of this model',
    );
    expect(await refused('verify any.onnx --values run0')).to.include(
      'any.onnx: the run was not of this model',
    );
  });

  it('values from elsewhere are saved as they were: halves, missing layers, whose arithmetic', async () => {
    const values = await readTensors(path('saved/device.npz'));
    for (const [dtype, bits] of [
      ['float16', 13],
      ['bfloat16', 16],
    ] as const) {
      const dump = new Map<string, NumericValue>();
      for (const [name, { shape, data }] of values) {
        if (name !== 'input' && !/conv|fc8/.test(name)) continue;
        // the first digits of a half, rounded by halves
        const words = new Uint32Array(Float32Array.from(data as Float32Array).buffer);
        const kept = words.map((word) => ((word + 2 ** (bits - 1)) >>> bits) << bits);
        const floats = new Float32Array(name === 'input' ? words.buffer : kept.buffer);
        const of = name === 'input' ? 'float32' : dtype;
        dump.set(name, narrowed({ dtype: of, shape, data: floats }));
      }
      await writeTensors(path(`${dtype}.pth`), dump);
      const before = await json(`verify ${OF} --values ${dtype}.pth --save ${dtype}`);
      expect([before.verdict, before.required]).to.deep.equal(['pass', dtype]);
      expect(record(dtype)).to.deep.include({ device: 'other', computer: null });
      const after = await again(dtype);
      expect(after.layers).to.deep.equal(before.layers);
      expect(after.required).to.equal(dtype);
    }
  });

  it('how wrong values lie is told of values from elsewhere, by layers and by nodes', async () => {
    const pair = new Map<string, NumericValue>();
    for (const [name, { shape, data }] of await readTensors(path('saved/device.npz'))) {
      const twice = Float32Array.from([...(data as Float32Array), ...(data as Float32Array)]);
      pair.set(name, { dtype: 'float32', shape: [2, ...shape.slice(1)], data: twice });
    }
    const { shape, data } = pair.get('conv3')!;
    const [, K, P, Q] = shape;
    const wrong = data as Float32Array;
    for (let k = 0; k < K; k += 3) for (let at = 0; at < P * Q; at++) wrong[(K + k) * P * Q + at] += 1;
    await writeTensors(path('pair.npz'), pair);
    const said = `conv3: all in image 1, every 3rd output channel from 0 to ${K - 1 - ((K - 1) % 3)};`;
    for (const of of [OF, 'any.onnx']) {
      const { status, out } = await run(`verify ${of} --values pair.npz`);
      expect(status).to.equal(1);
      expect(out).to.include(said);
    }
  });

  it('what --save writes is never an input, nor over what it did not write', async () => {
    expect(await refused(`verify --values saved ${OF} --save twice`)).to.include(
      'saved is a saved run already',
    );
    cpSync(path('saved/device.npz'), path('dump/device.npz'));
    expect(await refused(`verify --values dump ${OF} --save dump`)).to.include('would overwrite an input');
    mkdirSync(path('mine'));
    write('mine/run.json', '{"version": 1, "versions": {"alexnet-oracle": "0.1.0"}}');
    expect(await refused(`verify ${OF} ${ON} --save mine`)).to.include(
      'mine/run.json: exists, and nothing in it shows',
    );
    expect((await run(`verify ${OF} --input one.npy --device cpu --save saved`)).status).to.equal(0);
  });
});
