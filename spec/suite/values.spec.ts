/** `verify --values`: what PyTorch computed, judged layer by layer, whatever its dump has and lacks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildModel } from '../../export/index.ts';
import { encodeModel, encodeTensor } from '../../export/proto.ts';
import { fromTensor, type NumericValue } from '../../lib/array/value.ts';
import { readTensors } from '../../lib/disk/tensors.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { exportOnnx, type VerifyOptions, verify } from '../../lib/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { runHere, runModule } from '../support/child.ts';
import { narrow, onSmallPictures, random, randomWeights } from '../support/models.ts';
import { type Job, needsPython, runTorch } from '../support/pytorch.ts';
import { writeNpz } from '../support/tensor-bytes.ts';

const net = (name: string): Network => onSmallPictures(narrow(networkNamed(name)));
const network = net('alexnet2012');
const weights = randomWeights(network, 3);
const input = random([1, ...network.input], 5, 100);
/** For what names the network alone. */
const named = narrow(networkNamed('alexnet2012'));
const byName = {
  network: named,
  weights: randomWeights(named, 3),
  input: random([1, ...named.input], 5, 100),
};
const narrowed = net('torchvision');
const torch = {
  network: narrowed,
  weights: randomWeights(narrowed, 2),
  input: random([1, ...narrowed.input], 1, 2),
};
const caffe = ['bvlc-alexnet', 'caffenet'].map(net).map((own) => ({
  network: own,
  weights: randomWeights(own, 3),
  input: random([2, ...own.input], 5, 100),
}));
const pair = random([2, ...network.input], 6, 100);
const of = (...kinds: string[]): string[] =>
  network.layers.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);

const jobs: Record<string, Job> = {
  all: {},
  float16: { store: 'float16' },
  bfloat16: { store: 'bfloat16', out: 'bfloat16.pth' },
  float64: { store: 'float64' },
  nhwc: { layout: 'NHWC' },
  convolutions: { keep: [...of('conv2d'), 'fc8'] },
  fused: { keep: [...of('maxpool'), 'relu6', 'relu7', 'prob'] },
  last: { keep: ['fc8'] },
  'last, float16': { keep: ['fc8'], store: 'float16' },
  probabilities: { keep: ['prob'] },
  uncopied: { copy: false, inplace: true },
};

/** Modules as torchvision calls them, and names that are near some. */
const modules = Object.fromEntries([
  ...narrowed.layers.slice(0, 13).map(({ name }, i) => [name, `module.features.${i}`]),
  ...narrowed.layers.slice(15).map(({ name }, i) => [name, `classifier.${i}`]),
]);
const odd = { conv1: 'onnx_node!conv1', fc8: 'conv_8', prob: 'probb' };

/** Mistakes in the module, each with the layer that must be named. */
const faults: readonly (readonly [layer: string, what: string])[] = [
  ['conv1', 'bias forgotten'],
  ['conv1', 'kernel transposed'],
  ['relu1', 'leaky'],
  ['norm1', 'alpha not divided'],
  ['norm2', 'k 1'],
  ['norm2', 'beta'],
  ['pool1', 'average'],
  ['conv2', 'groups swapped'],
  ['conv3', 'edges repeated'],
  ['conv4', 'one kernel off'],
  ['conv5', 'kernel flipped'],
  ['fc6', 'H,W,C'],
  ['fc7', 'half the digits'],
  ['fc7', 'bias twice'],
  ['drop6', 'not scaled'],
  ['prob', 'logarithm'],
];

describe('values that PyTorch computed', function () {
  this.timeout(120_000);
  let folder = '';
  const at = (name: string): string => join(folder, name);
  const subject = { network, weights, input };
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    folder = mkdtempSync(join(tmpdir(), 'values-'));
    runTorch(folder, [
      { ...byName, name: 'named' },
      ...Object.entries(jobs).map(([name, job]) => ({ ...subject, ...job, name })),
      ...faults.map((fault, i) => ({ ...subject, fault, name: `fault${i}` })),
      { ...subject, input: pair, name: 'pair' },
      { ...subject, fault: ['norm1', 'k 1'], keep: jobs.convolutions.keep, name: 'between' },
      { ...subject, fault: ['norm1', 'k 1'], keep: ['fc8'], name: 'behind' },
      { ...subject, fault: ['fc6', 'half the digits'], keep: ['fc8'], name: 'coarse' },
      { ...byName, fault: ['fc7', 'bias forgotten'], keep: ['prob'], name: 'hidden' },
      { ...byName, fault: ['conv2', 'groups swapped'], name: 'named wrong' },
      { ...torch, name: 'modules', names: modules },
      { ...subject, name: 'odd', names: odd },
      ...caffe.flatMap((one) => {
        const { layers, name } = one.network;
        const keep = layers.map((layer) => layer.name).filter((top) => !/^(relu|drop|flatten)/.test(top));
        const job = { ...one, keep, copy: false, inplace: true };
        return [
          { ...job, name: `blobs-${name}` },
          { ...job, name: `swapped-${name}`, fault: ['conv2', 'groups swapped'] as const },
        ];
      }),
    ]);
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  const judged = (options: VerifyOptions) => verify({ network, weights, input, ...options });

  for (const [name, expected] of [
    ['all.npz', 'float32'],
    ['float16.npz', 'float16'],
    ['bfloat16.pth', 'bfloat16'],
    ['float64.npz', 'float32'],
    ['nhwc.npz', 'float32'],
    ['convolutions.npz', 'float32'],
    ['fused.npz', 'float32'],
    ['last.npz', 'float32'],
    ['last, float16.npz', 'float16'],
    ['probabilities.npz', 'float32'],
  ] as const)
    it(`${name} passes as ${expected}`, async () => {
      const found = await judged({ values: at(name) });
      expect(
        found.verdict,
        JSON.stringify(found.layers.map(({ layer, reason }) => [layer, reason])),
      ).to.equal('pass');
      expect(found.required).to.equal(expected);
      expect(found.device).to.equal('other');
    });

  it('a half is no float32, and bfloat16 no half', async () => {
    expect((await judged({ values: at('float16.npz'), require: 'float32' })).verdict).to.equal('fail');
    expect((await judged({ values: at('bfloat16.pth'), require: 'float16' })).verdict).to.equal('fail');
  });

  it('what is missing is named where it was judged', async () => {
    const { layers } = await judged({ values: at('convolutions.npz') });
    expect(layers.map(({ layer }) => layer)).to.deep.equal(jobs.convolutions.keep);
    expect(layers.map(({ through }) => through?.join(' '))).to.deep.equal([
      undefined,
      'relu1 norm1 pool1',
      'relu2 norm2 pool2',
      'relu3',
      'relu4',
      'relu5 pool5 flatten fc6 relu6 drop6 fc7 relu7 drop7',
    ]);
  });

  for (const [i, [layer, what]] of faults.entries())
    it(`${layer}, ${what}: it is that layer`, async () => {
      const { verdict, first, layers } = await judged({ values: at(`fault${i}.npz`) });
      expect(verdict).to.equal('fail');
      expect(first).to.equal(layer);
      expect(layers.filter((row) => row.verdict === 'fail').length).to.equal(1);
    });

  it('a mistake in what is missing fails the next value that is there', async () => {
    expect((await judged({ values: at('between.npz') })).first).to.equal('conv2');
    expect((await judged({ values: at('behind.npz') })).first).to.equal('fc8');
    expect((await judged({ values: at('coarse.npz') })).first).to.equal('fc8');
    expect((await verify({ ...byName, values: at('hidden.npz') })).first).to.equal('prob');
  });

  it('hooks that do not copy see what the activation left, and it is said', async () => {
    const lines: string[] = [];
    const found = await judged({ values: at('uncopied.npz'), log: (line) => lines.push(line) });
    expect(found.first).to.equal('conv1');
    expect(found.why?.explanation.matches).to.include('ReLU fused in');
    expect(lines.join('\n')).to.include("'conv1' and 'relu1' are the same");
  });

  it("Caffe's blobs: named after the prototxt's tops, in place, the input as data", async () => {
    for (const given of caffe) {
      const { input: fed, ...ofDump } = given;
      const { name } = given.network;
      const values = join(folder, 'blobs.npz');
      writeFileSync(
        values,
        writeNpz([['data', fromTensor(fed)], ...(await readTensors(at(`blobs-${name}.npz`)))]),
      );
      const lines: string[] = [];
      const found = await verify({ ...ofDump, values, log: (line) => lines.push(line) });
      expect(found.verdict, name).to.equal('pass');
      expect(found.layers[0].layer).to.equal('relu1');
      expect(lines.join('\n')).to.include("'conv1' is taken for relu1");
      expect(lines.join('\n')).not.to.include('not compared');
      const other = random(fed.shape, 6, 100);
      await refused({ ...given, input: other, values }, /the values hold another input than was given/);
      expect((await verify({ ...given, values: at(`swapped-${name}.npz`) })).first).to.equal('relu2');
    }
  });

  it('a layout that is told must be that of the shapes', async () => {
    expect((await judged({ values: at('nhwc.npz'), layout: 'NHWC' })).verdict).to.equal('pass');
    await refused({ values: at('nhwc.npz'), layout: 'NCHW' }, /is \[[\d,]+\], which is not NCHW/);
  });

  it('two images: each is judged, the failing one named', async () => {
    expect((await judged({ input: pair, values: at('pair.npz') })).verdict).to.equal('pass');
    const values = new Map(await readTensors(at('pair.npz')));
    const conv3 = values.get('conv3')!;
    const data = Float32Array.from(conv3.data as Float32Array);
    data[data.length - 1] += 1;
    writeFileSync(at('second.npz'), writeNpz([...values.set('conv3', { ...conv3, data } as NumericValue)]));
    const { first, layers } = await judged({ input: pair, values: at('second.npz') });
    expect(first).to.equal('conv3');
    const row = layers.find(({ layer }) => layer === 'conv3')!;
    expect(row.reason).to.match(/^image 1: 1 of \d+ values beyond the bound/);
    expect(row.introduced?.worst?.index[0]).to.equal(1);
    await refused({ values: at('pair.npz') }, /2 images, the input of 1/);
  });

  it('an .onnx names its values its own way; folders hold .npy, .pb or a run a file', async () => {
    const model = at('model.onnx');
    const { input: fed, ...ofModel } = byName;
    await exportOnnx(model, ofModel);
    const all = [...(await readTensors(at('named.npz')))];
    for (const kind of ['npy', 'pb', 'runs']) {
      const values = mkdtempSync(at(`${kind}-`));
      if (kind === 'runs') writeFileSync(join(values, '1.npz'), writeNpz(all));
      else
        for (const [name, value] of all) {
          const { shape, data } = value;
          const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
          const tensor = { name, dims: [...shape.slice(1)], dataType: 1, rawData: raw };
          writeFileSync(
            join(values, `${name}.${kind}`),
            kind === 'npy' ? writeNpy(value) : encodeTensor(tensor),
          );
        }
      const found = await verify({ model, input: fed, values });
      expect(found.verdict, kind).to.equal('pass');
      expect(found.layers.length).to.equal(network.layers.length);
    }
  });

  it('names: PyTorch modules, OpenCV nodes, a map; what belongs to nothing is listed with what is near', async () => {
    const found = await verify({ ...torch, values: at('modules.npz') });
    expect(found.verdict).to.equal('pass');
    expect(found.layers.length).to.equal(narrowed.layers.length);
    const lines: string[] = [];
    const rest = await judged({
      values: at('odd.npz'),
      names: { conv_8: 'fc8' },
      log: (line) => lines.push(line),
    });
    expect(rest.layers.map(({ layer }) => layer)).to.include.members(['conv1', 'fc8']);
    expect(lines.join('\n')).to.include("not compared: 'probb' (nearest: prob");
    const twice = [...(await readTensors(at('last.npz')))];
    const [, fc8] = twice[0];
    writeFileSync(at('twice.npz'), writeNpz([...twice, ['onnx_node!fc8', fc8]]));
    expect((await judged({ values: at('twice.npz') })).verdict).to.equal('pass');
    const other = { ...fc8, data: (fc8.data as Float32Array).map((v) => -v) } as NumericValue;
    writeFileSync(at('twice.npz'), writeNpz([...twice, ['onnx_node!fc8', other]]));
    await refused({ values: at('twice.npz') }, /'fc8' and 'onnx_node!fc8' are both fc8, with different/);
    await refused({ values: at('odd.npz'), names: { conv_9: 'fc8' } }, /no 'conv_9' \(nearest: conv_8/);
    await refused({ values: at('odd.npz'), names: { conv_8: 'fc' } }, /there is no 'fc' \(nearest: fc[678]/);
  });

  it('any graph, node by node: what is missing between is not needed', async () => {
    const model = at('foreign.onnx');
    const { layers } = network;
    const file = buildModel(network, weights, {});
    writeFileSync(model, encodeModel({ ...file.model, metadataProps: [] }));
    const all = await verify({ model, input: `input=${at('all.input.npy')}`, values: at('all.npz') });
    expect(all.verdict).to.equal('pass');
    expect(all.layers.length).to.equal(layers.length);
    const some = await verify({
      model,
      input: `input=${at('all.input.npy')}`,
      values: at('convolutions.npz'),
    });
    expect(some.verdict).to.equal('pass');
    expect(some.layers[1].through).to.deep.equal(['pool1']);
    const wrong = await verify({ model, input: `input=${at('all.input.npy')}`, values: at('between.npz') });
    expect(wrong.first).to.equal('conv2');
  });

  it('the command: exit codes, reports, and options that do not go with it', async () => {
    const args = [
      'verify',
      '--network',
      'alexnet2012',
      '--weights',
      at('named.weights.npz'),
      '--input',
      at('named.input.npy'),
    ];
    const right = await runHere(
      [...args, '--values', at('named.npz'), '--report-json', 'right.json'],
      folder,
    );
    expect(right.status, right.err).to.equal(0);
    expect(right.out).to.match(/PASS: alexnet2012 on another engine: all 24 layers/);
    const wrong = await runHere(
      [...args, '--values', at('named wrong.npz'), '--baseline', 'right.json', '--json'],
      folder,
    );
    expect(wrong.status, wrong.err).to.equal(1);
    expect(JSON.parse(wrong.out).baseline.lost.length).to.be.greaterThan(0);
    const strict = await runHere([...args, '--values', at('named.npz'), '--strict-device'], folder);
    expect(strict.status).to.equal(2);
    expect(strict.err).to.include('--strict-device does not go with --values');
  });

  it('onnxruntime is never loaded: who asks for it throws, and none of its libraries is in the process', () => {
    const options = { network: 'alexnet2012', weights: at('named.weights.npz'), values: at('named.npz') };
    const { status, stdout, stderr } = runModule(
      `import { register } from 'node:module';
      const hook = \`export function resolve(name, context, next) {
        if (name.startsWith('onnxruntime')) throw new Error('onnxruntime was asked for');
        return next(name, context);
      }\`;
      register('data:text/javascript,' + encodeURIComponent(hook));
      const { verify } = await import('@/lib/index.ts');
      const { verdict } = await verify(${JSON.stringify({ ...options, input: at('named.input.npy') })});
      const loaded = process.report.getReport().sharedObjects.filter((path) => path.includes('onnxruntime'));
      const asked = await import('onnxruntime-node').catch((error) => error.message);
      console.log(JSON.stringify({ verdict, loaded, asked }));`,
      {},
    );
    expect(status, stderr).to.equal(0);
    expect(JSON.parse(stdout)).to.deep.equal({
      verdict: 'pass',
      loaded: [],
      asked: 'onnxruntime was asked for',
    });
  });

  async function refused(options: VerifyOptions, message: RegExp): Promise<void> {
    const error = await judged(options).then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error?.constructor.name).to.equal('InputError');
    expect(error?.message).to.match(message);
  }
});
