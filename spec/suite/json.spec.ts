/** docs/json.md against what every command prints: one object, the fields that are told of and no others. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { cudaLibrary } from '../../lib/runtime/installation.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { runHere } from '../support/child.ts';
import { differences, parseShape } from '../support/jsonshape.ts';
import { shared } from '../support/shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(root, 'docs/json.md'), 'utf8');

/** The shapes that the section of a command gives, all as alternatives. */
function told(command: string) {
  const section = text.split('\n## ').find((part) => part.startsWith(`alexnet ${command}\n`)) ?? '';
  const shapes = [...section.matchAll(/`(\{ version[^`]*)`/g)].map(([, shape]) => shape);
  expect(shapes, `docs/json.md on ${command}`).not.to.have.lengthOf(0);
  return shapes.flatMap(parseShape);
}

describe('docs/json.md and --json', function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Returns the object, whose fields each test looks at too. */
  async function check(command: string, args: readonly string[], status = 0) {
    const run = await runHere([...command.split(' '), ...args, '--json'], folder);
    expect(run.status, run.err).to.equal(status);
    const value = JSON.parse(run.out);
    expect(value.version).to.equal(1);
    expect(differences(value, told(command))).to.deep.equal([]);
    return value;
  }

  const small = ['--network', 'cifar-relu'];
  // 5×5 kernels: 32·(75 + 1) + 32·(800 + 1) + 64·(800 + 1) + 10·(1024 + 1)
  const parameters = 89_578;
  it('export', async () => {
    const found = await check('export', ['m.onnx', ...small, '--seed', '0']);
    const size = statSync(join(folder, 'm.onnx')).size;
    expect(found).to.include({
      ...{ file: 'm.onnx', network: 'cifar-relu', graph: 'inference', parameters, opset: 13 },
      ...{ precision: 'float32', bytes: size, externalData: null, weights: 'seed 0, kaiming' },
      ...{ input: 'float32', views: 1, resize: false },
    });
    expect(size).to.be.within(4 * parameters, 4 * parameters + 10_000);
  });
  it('export --graph training', async () => {
    const found = await check('export', ['t.onnx', ...small, '--graph', 'training']);
    expect(found).to.include({
      ...{ file: 't.onnx', graph: 'training', opset: 18, parameters, network: 'cifar-relu' },
      ...{ precision: 'float32', externalData: null, input: 'float32', views: 1, resize: false },
      ...{ weights: 'inputs', bytes: statSync(join(folder, 't.onnx')).size },
    });
  });
  it('export --triton', async () => {
    const { models } = await check('export', ['--triton', 'models', ...small, '--seed', '0']);
    expect(models.map(({ config }: { config: string }) => config)).to.deep.equal([
      ...['models/cifar-relu/config.pbtxt'],
    ]);
  });
  it('export --towers', async () => {
    const { models } = await check('export', ['n.onnx', '--network', 'cifar-alexnet', '--towers', '2']);
    expect(models[0]).to.deep.include({
      file: 'n-tower0-1.onnx',
      tower: 0,
      segment: 1,
      layers: ['conv1', 'relu1', 'pool1'],
    });
  });
  it('summary', async () => {
    const { total, layers, ...found } = await check('summary', small);
    expect(found).to.deep.include({ name: 'cifar-relu', batch: 1, input: [1, 3, 32, 32] });
    expect(found.title).to.equal(networkNamed('cifar-relu').title);
    // 32²·32·75 + 16²·32·800 + 8²·64·800 + 10·1024
    expect(total).to.include({ parameters, macs: 12_298_240 });
    expect(layers[0]).to.deep.include({ name: 'conv1', shape: [1, 32, 32, 32], activationBytes: 131_072 });
  });
  const version = (of: string) => JSON.parse(readFileSync(join(root, of, 'package.json'), 'utf8')).version;
  /** Of a verification on the CPU, of so many images of noise: what is told besides the verdict. */
  function expectTold(found: Record<string, unknown>, images = 1) {
    expect(found.versions).to.deep.equal({
      'alexnet-oracle': version('.'),
      'onnxruntime-node': version('node_modules/onnxruntime-node'),
      node: process.versions.node,
    });
    expect(found).to.deep.include({ device: 'cpu', required: 'float32', input: [images, 3, 32, 32] });
    expect(found.inputSource).to.equal(`uniform noise, seed 0${images > 1 ? `, batch ${images}` : ''}`);
    expect(found.placement).to.match(/^(\d+) of \1 on CPU(; the step: (\d+) of \3 on CPU)?$/);
    const runs = found.runs as { graph: string; level: string; verdict: string }[];
    const three = [
      ['tapped', 'disabled', found.verdict],
      ['tapped', 'all', found.verdict],
      ['untouched', 'all', found.verdict],
    ];
    expect(runs.map(({ graph, level, verdict }) => [graph, level, verdict])).to.deep.equal(
      runs.length > 3 ? [...three, ...three] : three,
    );
  }
  /** The two classes that an image's answer lies between. */
  const answer = (value: { image: number; classes: number[]; margin: number; probability: number }) => {
    expect(value.image).to.equal(0);
    expect(new Set(value.classes).size).to.equal(2);
    expect(value.margin).to.be.within(0, 1);
    expect(value.probability).to.be.within(0, 1);
  };
  const own = { model: 'm.onnx', weights: "the file's own (seed 0, kaiming)" };

  it('verify', async () => {
    const found = await check('verify', ['m.onnx', '--device', 'cpu', '--report-json', 'r.json']);
    expect(found).to.include({ verdict: 'pass', network: 'cifar-relu', device: 'cpu', model: 'm.onnx' });
    expect(found).to.include({ first: null, why: null, baseline: null, ...own });
    expectTold(found);
    answer(found.margin);
    const [conv1] = found.layers;
    expect(conv1).to.deep.include({ layer: 'conv1', kind: 'conv2d', verdict: 'pass', devices: ['CPU'] });
    expect(conv1.introduced.overBound).to.be.within(1e-3, 1);
    expect(conv1.introduced.bits).to.be.within(20, 26);
    expect(JSON.parse(readFileSync(join(folder, 'r.json'), 'utf8'))).to.deep.equal(found);
  });
  it('verify --baseline', async () => {
    const found = await check('verify', ['m.onnx', '--device', 'cpu', '--baseline', 'r.json']);
    expect(found.baseline).to.deep.include({ file: 'r.json', lost: [] });
    expect(found).to.include({ verdict: 'pass', network: 'cifar-relu', first: null, why: null, ...own });
    expectTold(found);
    answer(found.margin);
  });
  it('verify of a wrong network, which says why', async () => {
    const args = ['m.onnx', '--device', 'cpu', '--network', 'cifar-tanh'];
    const found = await check('verify', args, 1);
    expect(found).to.include({ verdict: 'fail', network: 'cifar-tanh', first: 'act1', ...own });
    expect(found.why).to.include({ layer: 'act1', kind: 'tanh' });
    expectTold(found);
    answer(found.margin);
  });
  it('verify --graph training', async () => {
    const args = [...small, '--device', 'cpu', '--graph', 'training', '--batch', '2'];
    const found = await check('verify', args);
    expect(found).to.include({
      verdict: 'pass',
      network: 'cifar-relu',
      first: null,
      why: null,
      margin: null,
    });
    expect(found).to.include({ model: null, weights: 'seed 0, kaiming' });
    expect(found.training).to.include({ graph: 'training', steps: 1, rule: 'paper', momentum: 0.9 });
    expectTold(found, 2);
    const kinds = found.layers.map(({ kind }: { kind: string }) => kind);
    expect(kinds).to.include.members(['loss', 'gradient of conv2d', 'velocity', 'parameter']);
  });
  it('doctor', async () => {
    const { node, devices, auto, oracle, onnxruntime, vulkan, missing } = await check('doctor', []);
    expect([128, 256]).to.include(oracle.vectors);
    expect(onnxruntime).to.deep.equal({ loads: true, version: version('node_modules/onnxruntime-node') });
    for (const driver of [vulkan.loader, ...vulkan.drivers].filter(Boolean))
      expect(existsSync(driver), driver).to.equal(true);
    const lacksCuda = missing.some(({ what }: { what: string }) => /^onnxruntime's CUDA/.test(what));
    expect(lacksCuda).to.equal(cudaLibrary() === undefined);
    expect(node).to.deep.equal({ version: process.version, platform: `${process.platform}/${process.arch}` });
    expect(devices.map(({ device }: { device: string }) => device)).to.deep.equal(['cuda', 'webgpu', 'cpu']);
    expect(devices.find(({ device }: { device: string }) => device === auto).works).to.equal(true);
  });
  it('conform --write, and of what it wrote', async () => {
    const { folder: to, written } = await check('conform', ['--write', 'vectors']);
    expect(to).to.equal('vectors');
    expect(written).to.have.members(readdirSync(join(folder, 'vectors')));
    expect(written).to.include.members(['test_relu_rows', 'test_linear_one_row']);
    const found = await check('conform', ['vectors/test_relu_rows', 'vectors/test_linear_one_row']);
    expect(found).to.include({ engine: 'oracle', device: 'cpu', passed: 2, failed: 0, unsupported: 0 });
    expect(found.tests.map(({ status }: { status: string }) => status)).to.deep.equal(['passed', 'passed']);
  });
  it('run', async () => {
    const zeros = Buffer.alloc(4 * 3 * 32 * 32);
    writeNpy(join(folder, 'x.npy'), zeros, [1, 3, 32, 32]);
    const found = await check('run', ['m.onnx', '--input', 'input=x.npy', '--out', 'y.npz']);
    expect(found).to.include({ model: 'm.onnx', out: 'y.npz', engine: 'the oracle, float32 storage' });
    expect(found.values).to.deep.equal([{ name: 'prob', dtype: 'float32', shape: [1, 10] }]);
  });
  it('weights get, the list', async () => {
    const { sources } = await check('weights get', []);
    const names = sources.map(({ name }: { name: string }) => name);
    expect(names).to.deep.equal([
      ...['torchvision', 'bvlc-alexnet', 'caffenet', 'onnx-zoo', 'onnx-zoo-caffenet'],
    ]);
  });

  it('predict, with a picture that cannot be read', async function () {
    const weights = shared(this, 'weights/torchvision-narrow.npz');
    const pictures = ['caffe_cat.jpg', 'made_zero_byte.jpg'].map((name) => shared(this, `images/${name}`));
    const found = await check('predict', [...pictures, '--weights', weights], 2);
    expect(found).to.include({ network: 'torchvision', device: 'cpu' });
    expect(found.weights).to.match(new RegExp(`^${weights} \\(npz`));
    const [cat, none] = found.predictions;
    expect(cat.image).to.equal(pictures[0]);
    const shares = cat.guesses.map(({ probability }: { probability: number }) => probability);
    expect(shares)
      .to.deep.equal([...shares].sort((a, b) => b - a))
      .and.to.have.length(5);
    expect(none).to.deep.equal({ image: pictures[1], error: `${pictures[1]}: the file is empty` });
  });
  it('weights inspect, convert and diff', async function () {
    const weights = shared(this, 'weights/torchvision-narrow.npz');
    const inspected = await check('weights inspect', [weights]);
    expect(inspected).to.include({ file: weights, format: 'npz', bytes: statSync(weights).size });
    expect(inspected).to.include({ by: 'torchvision names', preprocess: null });
    expect(inspected.notes).to.have.length(2);
    expect(inspected.tensors).to.have.length(16);
    expect(inspected.networks).to.include('torchvision');
    const converted = await check('weights convert', [weights, 'c.safetensors']);
    expect(converted).to.deep.include({
      from: weights,
      file: 'c.safetensors',
      network: 'torchvision',
      tensors: 16,
    });
    expect(converted.notes).to.deep.equal([]);
    const found = await check('weights diff', [weights, 'c.safetensors']);
    expect(found).to.deep.include({ equal: true, files: [weights, 'c.safetensors'], network: 'torchvision' });
    expect(found.tensors).to.have.length(16);
  });
  it('evaluate and train', async function () {
    const data = shared(this, 'cifar10');
    const found = await check('evaluate', [data, ...small, '--seed', '0', '--limit', '20']);
    expect(found).to.include({ network: 'cifar-relu', random: true, count: 20 });
    expect(found.top1.count).to.equal(20);
    expect(found).to.include({ mean: null, matched: 'name', device: 'cpu', views: 1 });
    expect(found.topK).to.include({ k: 5, count: 20 });
    expect(found.names).to.deep.equal(found.classes.map(({ name }: { name: string }) => name));
    const few = ['--images', '32', '--validation-images', '20', '--epochs', '1', '--batch', '16'];
    const trained = await check('train', [data, ...small, ...few, '--out', 'trained', '--device', 'cpu']);
    expect(trained).to.include({ network: 'cifar-relu', device: 'cpu', epochs: 1, steps: 2, images: 32 });
    expect(trained.history).to.have.length(1);
    const [{ epoch, validation }] = trained.history;
    expect(trained.best).to.deep.equal({ epoch, error1: validation.error1 });
    expect(trained).to.deep.include({ stopped: false, unread: [], classes: found.names });
    expect(trained.waited).to.be.within(0, 1);
    const named = ['checkpoint', 'weights', 'best'].map((of) => [of, `trained/${of}.safetensors`]);
    expect(trained.files).to.deep.equal(Object.fromEntries(named));
  });
});

/** NumPy's format 1.0, little-endian float32. */
function writeNpy(path: string, data: Buffer, shape: readonly number[]): void {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117);
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  writeFileSync(path, Buffer.concat([magic, Buffer.from(`${head}\n`), data]));
}
