/** LRN as a product with a band matrix: what it is for, what it costs, and that the verifier knows it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { classes } from '../../lib/bounds/arithmetic.ts';
import { judgedOutput } from '../../lib/bounds/operations.ts';
import { forward } from '../../lib/fast/oracle.ts';
import { judge } from '../../lib/judge/judge.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { narrow, networkOf, random, randomWeights, run } from '../support/models.ts';
import { needsPython } from '../support/pytorch.ts';
import { linesOnWebgpu, needsSwiftshader } from '../support/swiftshader.ts';

const counting = `
import { joined } from '@/export/index.ts';
import { modelOf } from '@/lib/networks/modelfile.ts';
import { openSession } from '@/lib/runtime/session.ts';
import { networkNamed } from '@/reference/networks/index.ts';
import { narrow, random, randomWeights } from '@/spec/support/models.ts';

const network = narrow(networkNamed('alexnet2012'), 8);
const weights = randomWeights(network, 1);
const feeds = new Map([['input', random([1, ...network.input], 1)]]);
const counts = {};
for (const lrn of ['decomposed', 'band']) {
  const bytes = joined(modelOf(network, weights, { source: 'x', lrn, passing: true }).chunks());
  await using session = await openSession(bytes, 'webgpu', { profile: true });
  await session.run(feeds);
  const { nodes } = await session.placement();
  counts[lrn] = [nodes.length, nodes.filter(({ op }) => op === 'Transpose').length];
}
console.log(JSON.stringify(counts));`;

const attributes = {
  size: 5,
  alpha: 0.01,
  beta: 0.75,
  k: 2,
  divide: true,
  even: 'above',
  groups: 1,
} as const;
const lrn: Layer = { kind: 'lrn', name: 'y', attributes };
const context = { device: 'cpu', operands: classes.float32, half: false, runningSum: false } as const;

/** onnxruntime's values of LRN by a band matrix, judged. */
async function judged(x: Tensor, band = true) {
  const network = networkOf([16, 3, 3], { kind: 'relu', name: 'x' }, lrn);
  const y = (await run(network, new Map(), x, { lrn: 'band' })).get('y')!;
  const call = { layer: lrn, inputs: [x], weights: new Map() };
  return { y, ...judge(y, judgedOutput(call, { ...context, band }), classes.float32) };
}

const opencv = `
import sys, numpy, cv2
net = cv2.dnn.readNetFromONNX(sys.argv[1])
net.setInput(numpy.fromfile(sys.argv[2], numpy.float32).reshape([1, 3, 227, 227]))
net.forward().astype(numpy.float32).tofile(sys.argv[3])`;

describe('LRN by a band matrix', function () {
  this.timeout(120_000);
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-band-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('on WebGPU alexnet2012 has 33 nodes, two of them Transposes, in the place of 47 and 10', async function () {
    const [line] = await linesOnWebgpu(counting, needsSwiftshader(this));
    expect(JSON.parse(line)).to.deep.equal({ decomposed: [47, 10], band: [33, 2] });
  });

  for (const name of ['alexnet2012', 'alexnet2012-as-run', 'caffenet'])
    it(`${name}: the verifier takes the file for the network, and finds an α that is off`, async () => {
      const network = narrow(networkNamed(name));
      const weights = randomWeights(network, 3);
      const model = join(folder, `${name}.onnx`);
      const write = (changed: typeof network) =>
        writeFileSync(model, joined(modelOf(changed, weights, { source: 'x', lrn: 'band' }).chunks()));
      write(network);
      const right = await verify({ model, device: 'cpu' });
      expect([right.verdict, right.first]).to.deep.equal(['pass', null]);
      const worst = right.layers.filter(({ kind }) => kind === 'lrn').map((row) => row.introduced!.overBound);
      expect(Math.max(...worst)).to.be.below(0.5);
      const layers = network.layers.map((layer) =>
        layer.kind === 'lrn' ? { ...layer, attributes: { ...layer.attributes, size: 3 } } : layer,
      );
      write({ ...network, layers });
      const wrong = await verify({ model, device: 'cpu' });
      expect([wrong.verdict, wrong.first]).to.deep.equal(['fail', 'norm1']);
    });

  it('an infinite square is NaN in every channel of its pixel: a fault, named; elsewhere nothing is excused', async () => {
    const x = random([2, 16, 3, 3], 7, 40);
    for (let i = 0; i < x.data.length; i++) x.data[i] = Math.abs(x.data[i]);
    expect((await judged(x)).verdict).to.equal('pass');
    x.data[4] = 1e20; // image 0, channel 0, the pixel in the middle
    const { y, verdict, reason } = await judged(x);
    const channels = Array.from({ length: 16 }, (_, c) => y.data[c * 9 + 4]);
    expect(channels.slice(3).every(Number.isNaN)).to.equal(true);
    expect(verdict).to.equal('fail');
    expect(reason).to.match(/^\d+ of 288 values beyond the bound; the engine's own fault: a band matrix/);
    const unnamed = await judged(x, false);
    expect(unnamed.reason).to.equal('13 of 288 values beyond the bound');
  });

  it('OpenCV reads it, and computes what the oracle does', function () {
    needsPython(this, 'cv2', 'python3-opencv');
    const network = narrow(networkNamed('alexnet2012'), 8);
    const weights = randomWeights(network, 5);
    const x = random([1, ...network.input], 5, 100);
    const paths = ['m.onnx', 'x.f32', 'y.f32'].map((name) => join(folder, name));
    writeFileSync(
      paths[0],
      joined(modelOf(network, weights, { source: 'x', lrn: 'band', batch: 1 }).chunks()),
    );
    writeFileSync(paths[1], dense(x) as Float32Array);
    const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', opencv, ...paths], { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    const bytes = readFileSync(paths[2]);
    const found = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const exact = dense(forward(network, weights, x, { precision: 'float64' }));
    expect(found.length).to.equal(exact.length);
    // probabilities: float32 through eight layers of weights
    for (const [i, value] of found.entries()) expect(Math.abs(value - exact[i])).to.be.below(1e-5);
  });
});
