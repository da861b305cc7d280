/** Layers that a dump lacks: what is read instead, and what doubts come to the next value, worked out by hand. */
import { expect } from 'chai';
import { fromTensor, type Value } from '../../../lib/array/value.ts';
import { readsOf, walkThrough } from '../../../lib/verify/walk.ts';
import { flatten, type Layer, linear, type Network, relu } from '../../../reference/networks/layers.ts';
import { contextOn, g, near, t, u } from '../../support/hand.ts';

const network = {
  name: 'n',
  input: [2, 1, 1],
  layers: [flatten('flat'), linear('fc1', 2), relu('r'), linear('fc2', 1)],
} as unknown as Network;
const [, , r, fc2] = network.layers;
// x = (1, 2): fc1 = (3 − 8 + 1, 1 + 4 − 1) = (−4, 4), r = (0, 4), fc2 = 24 + 7
const weights = new Map([
  ['fc1.weight', t([2, 2], 3, -4, 1, 2)],
  ['fc1.bias', t([2], 1, -1)],
  ['fc2.weight', t([1, 2], 5, 6)],
  ['fc2.bias', t([1], 7)],
]);
const there: Record<string, Value> = {
  input: fromTensor(t([1, 2, 1, 1], 1, 2)),
  fc1: fromTensor(t([1, 2], -4, 4)),
};
/** Known are these values besides the input; each is written down with a relative error of `stored`. */
const walk = (known: readonly string[], stored = 0) =>
  walkThrough(network, weights, () => contextOn('cpu'), {
    has: (name) => known.includes(name),
    stored: (name) => (known.includes(name) ? stored : 0),
  });
const values = (name: string) => there[name];
const MOVED = 1 + 2 ** -6;

describe('a walk through layers that are missing', () => {
  const relative = g(3) + 3 * 2 ** -53;

  it('computes them, and adds their rounding to the bound of the next one', () => {
    const { exact, bounds } = walk(['fc2']).judge(fc2, values);
    expect([...exact.data]).to.deep.equal([31]);
    // fc1 is off by (12, 6) times γ_3, which ReLU and then the weights carry on
    near(bounds.bound, [31 * relative + MOVED * (5 * MOVED * 12 + 6 * MOVED * 6) * relative]);
    const noise = [u * Math.sqrt(2 * (36.5 + 16 / 3)), 4 * u];
    near(bounds.accumulated!, [Math.hypot(31 * u, 5 * noise[0], 6 * noise[1])]);
    const { call } = walk(['fc2']).callOf(fc2, values);
    expect(call.inputs.map(({ data }) => [...data])).to.deep.equal([[0, 4]]);
    expect(call.layer).to.equal(fc2);
  });

  it('begins at the last value that is there', () => {
    const { bounds } = walk(['fc1', 'fc2']).judge(fc2, values);
    near(bounds.bound, [31 * relative]);
    const { bounds: own } = walk(['fc1', 'r']).judge(r, values);
    near(own.bound, [0, 0]);
    expect(own.accumulated).to.equal(undefined);
  });

  it('a value that is written with fewer bits is in doubt itself: u/(1 − u) of it', () => {
    // 2⁻⁸/(1 − 2⁻⁸) = 1/255
    const { bounds } = walk(['fc1'], 2 ** -8).judge(r, values);
    near(bounds.bound, [(4 / 255) * MOVED, (4 / 255) * MOVED]);
    near(bounds.accumulated!, [4 / 255, 4 / 255]);
    // and so is the result: 2⁻⁸ of (0, 4)
    const both = walk(['fc1', 'r'], 2 ** -8).judge(r, values).bounds.bound;
    near(both, [(4 / 255) * MOVED, (4 / 255) * MOVED + 2 ** -6]);
  });

  it('what is missing is computed once', () => {
    const asked: string[] = [];
    const counting = (name: string) => {
      asked.push(name);
      return there[name];
    };
    const once = walk([]);
    for (const layer of [r, fc2]) once.judge(layer, counting);
    expect(asked).to.deep.equal(['input']);
  });
});

describe('what a layer reads', () => {
  const reads = (layer: Layer, ...known: string[]) =>
    readsOf(network, layer, { has: (name) => known.includes(name) });

  it('are the last values that are there, and the layers between in their order', () => {
    expect(reads(fc2)).to.deep.equal({ sources: ['input'], missing: ['flat', 'fc1', 'r'] });
    expect(reads(fc2, 'fc1')).to.deep.equal({ sources: ['fc1'], missing: ['r'] });
    expect(reads(fc2, 'r', 'flat')).to.deep.equal({ sources: ['r'], missing: [] });
  });

  it('of a network that branches, each once', () => {
    const concat = { name: 'd', kind: 'concat', attributes: {}, inputs: ['b', 'c'] } as unknown as Layer;
    const branched = {
      ...network,
      layers: [relu('a'), relu('b'), { ...relu('c'), inputs: ['a'] }, concat],
    } as Network;
    const of = (...known: string[]) => readsOf(branched, concat, { has: (name) => known.includes(name) });
    expect(of('a')).to.deep.equal({ sources: ['a'], missing: ['b', 'c'] });
    expect(of('a', 'b')).to.deep.equal({ sources: ['b', 'a'], missing: ['c'] });
    expect(of()).to.deep.equal({ sources: ['input'], missing: ['a', 'b', 'c'] });
  });
});
