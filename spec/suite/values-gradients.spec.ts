/** `verify --values` of graphs that go forward and back: what PyTorch's autograd and optimiser computed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NumericValue } from '../../lib/array/value.ts';
import { readTensors, verify } from '../../lib/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { narrow, random, randomWeights } from '../support/models.ts';
import { needsPython, runTorch } from '../support/pytorch.ts';
import { writeNpz } from '../support/tensor-bytes.ts';

const narrowed = narrow(networkNamed('torchvision'));

describe('gradients that PyTorch computed', function () {
  this.timeout(120_000);
  let folder = '';
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    folder = mkdtempSync(join(tmpdir(), 'gradients-'));
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  it('gradients and a step of training: what is there is judged, from operands that are there or from the input on', async () => {
    const own = {
      network: narrowed,
      weights: randomWeights(narrowed, 2),
      input: random([2, ...narrowed.input], 1, 2),
    };
    const labels = [3, 7];
    const names = narrowed.layers.map(({ name }) => name);
    const backward = names.map((name) => `d${name}`);
    const grads = [...own.weights.keys()].map((name) => `${name}.grad`);
    const next = [...own.weights.keys()].map((name) => `step1/${name}`);
    const [all, parameters, wrong, alone, first] = runTorch(folder, [
      { ...own, labels, name: 'gradients', keep: [...names, ...backward, ...grads, 'loss', ...next] },
      { ...own, labels, name: 'parameters', keep: [...grads, 'loss'] },
      {
        ...own,
        labels,
        name: 'twice',
        keep: [...names, ...backward, ...grads],
        scale: { 'conv3.weight': 2 },
      },
      { ...own, labels, name: 'alone', keep: grads, scale: { 'conv3.weight': 1.01 } },
      { ...own, labels, name: 'step', keep: next },
    ]);
    const run = (values: string, graph: 'gradients' | 'training' = 'gradients') =>
      verify({ ...own, graph, labels, values, ...(graph === 'training' && { update: 'pytorch' }) });
    for (const [values, graph] of [
      [all, 'gradients'],
      [all, 'training'],
      [parameters, 'gradients'],
      [first, 'training'],
    ] as const) {
      const { verdict, layers } = await run(values, graph);
      expect(verdict, JSON.stringify(layers.map(({ layer, reason }) => [layer, reason]))).to.equal('pass');
    }
    const { layers } = await run(all);
    const fromOperands = layers.find(({ layer }) => layer === 'dconv3.weight');
    expect([fromOperands?.through, fromOperands?.introduced?.beyond]).to.deep.equal([undefined, 0]);
    expect((await run(wrong)).first).to.equal('dconv3.weight');
    expect((await run(alone)).first).to.equal('dconv3.weight');
  });

  it('equal maxima of a pooling window: the first may get its gradient, as in PyTorch, and no other', async () => {
    const bvlc = narrow(networkNamed('bvlc-alexnet'));
    const net = { ...bvlc, layers: bvlc.layers.slice(0, -1) };
    const own = {
      network: net,
      weights: randomWeights(net, 2),
      input: random([2, ...net.input], 1, 100),
    };
    const labels = [3, 7];
    // PyTorch's dropout of a network that is being judged does nothing; flatten is a view
    const [values] = runTorch(folder, [{ ...own, labels, name: 'ties' }]);
    const run = (file: string) => verify({ ...own, graph: 'gradients', labels, values: file });
    const right = await run(values);
    const told = JSON.stringify(right.layers.map(({ layer, reason }) => [layer, reason]));
    expect(right.verdict, told).to.equal('pass');
    const dump = new Map(await readTensors(values));
    const dnorm1 = dump.get('dnorm1')!;
    const data = Float32Array.from(dnorm1.data as Float32Array);
    // a gradient that goes to the neighbour of the value that should get it
    const at = data.findIndex((v, i) => v !== 0 && data[i + 1] === 0);
    [data[at], data[at + 1]] = [data[at + 1], data[at]];
    const wrong = join(folder, 'neighbour.npz');
    writeFileSync(wrong, writeNpz(dump.set('dnorm1', { ...dnorm1, data } as NumericValue)));
    const found = await run(wrong);
    expect(found.first).to.equal('dnorm1');
    const row = found.layers.find(({ layer }) => layer === 'dnorm1')!;
    expect(row.introduced?.beyond).to.be.within(1, 2);
  });
});
