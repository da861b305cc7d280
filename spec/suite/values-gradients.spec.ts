/** `verify --values` of graphs that go forward and back: what PyTorch's autograd and optimiser computed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { verify } from '../../lib/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { narrow, random, randomWeights } from '../support/models.ts';
import { needsPython, runTorch } from '../support/pytorch.ts';

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
    // PyTorch gives the gradient of a window to one of its equal maxima, the graphs to each of them
    const beforePools = ['drelu1', 'drelu2', 'drelu5'];
    const backward = names.map((name) => `d${name}`).filter((name) => !beforePools.includes(name));
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
});
