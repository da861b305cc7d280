/** `verify --values` of graphs that go forward and back: what PyTorch's autograd and optimiser computed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NumericValue } from '../../lib/array/value.ts';
import { readTensors, verify } from '../../lib/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { narrow, onSmallPictures, random, randomWeights } from '../support/models.ts';
import { needsPython, runTorch } from '../support/pytorch.ts';
import { writeNpz } from '../support/tensor-bytes.ts';

const network = onSmallPictures(narrow(networkNamed('torchvision')));
const own = { network, weights: randomWeights(network, 2), input: random([2, ...network.input], 1, 2) };
const bvlc = onSmallPictures(narrow(networkNamed('bvlc-alexnet')));
const logits = { ...bvlc, layers: bvlc.layers.slice(0, -1) };
const pooled = {
  network: logits,
  weights: randomWeights(logits, 2),
  input: random([2, ...logits.input], 1, 100),
};
const labels = [3, 7];
const names = network.layers.map(({ name }) => name);
const backward = names.map((name) => `d${name}`);
const grads = [...own.weights.keys()].map((name) => `${name}.grad`);
const next = [...own.weights.keys()].map((name) => `step1/${name}`);

describe('gradients that PyTorch computed', function () {
  this.timeout(120_000);
  let folder = '';
  const file = (name: string): string => join(folder, `${name}.npz`);
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    folder = mkdtempSync(join(tmpdir(), 'gradients-'));
    const of = { ...own, labels };
    const wrong = { 'conv3.weight': 2 };
    runTorch(folder, [
      { ...of, name: 'all', keep: [...names, ...backward, ...grads, 'loss', ...next] },
      { ...of, name: 'parameters', keep: [...grads, 'loss'] },
      { ...of, name: 'twice', keep: [...names, ...backward, ...grads], scale: wrong },
      { ...of, name: 'alone', keep: grads, scale: { 'conv3.weight': 1.01 } },
      { ...of, name: 'step', keep: next },
      // PyTorch's dropout of a network that is being judged does nothing; flatten is a view
      { ...pooled, labels, name: 'ties' },
    ]);
  });
  after(() => folder && rmSync(folder, { recursive: true }));

  it('gradients and a step of training: what is there is judged, from operands that are there or from the input on', async () => {
    const run = (name: string, graph: 'gradients' | 'training' = 'gradients') =>
      verify({
        ...own,
        graph,
        labels,
        values: file(name),
        ...(graph === 'training' && { update: 'pytorch' }),
      });
    for (const [name, graph] of [
      ['all', 'gradients'],
      ['all', 'training'],
      ['parameters', 'gradients'],
      ['step', 'training'],
    ] as const) {
      const { verdict, layers } = await run(name, graph);
      expect(verdict, JSON.stringify(layers.map(({ layer, reason }) => [layer, reason]))).to.equal('pass');
      if (name !== 'all') continue;
      const fromOperands = layers.find(({ layer }) => layer === 'dconv3.weight');
      expect([fromOperands?.through, fromOperands?.introduced?.beyond]).to.deep.equal([undefined, 0]);
    }
    expect((await run('twice')).first).to.equal('dconv3.weight');
    expect((await run('alone')).first).to.equal('dconv3.weight');
  });

  it('equal maxima of a pooling window: the first may get its gradient, as in PyTorch, and no other', async () => {
    const run = (values: string) => verify({ ...pooled, graph: 'gradients', labels, values });
    const values = file('ties');
    const right = await run(values);
    const told = JSON.stringify(right.layers.map(({ layer, reason }) => [layer, reason]));
    expect(right.verdict, told).to.equal('pass');
    const dump = new Map(await readTensors(values));
    const dnorm1 = dump.get('dnorm1')!;
    const data = Float32Array.from(dnorm1.data as Float32Array);
    // a gradient that goes to the neighbour of the value that should get it
    const at = data.findIndex((v, i) => v !== 0 && data[i + 1] === 0);
    [data[at], data[at + 1]] = [data[at + 1], data[at]];
    const wrong = file('neighbour');
    writeFileSync(wrong, writeNpz(dump.set('dnorm1', { ...dnorm1, data } as NumericValue)));
    const found = await run(wrong);
    expect(found.first).to.equal('dnorm1');
    const row = found.layers.find(({ layer }) => layer === 'dnorm1')!;
    expect(row.introduced?.beyond).to.be.within(1, 2);
  });
});
