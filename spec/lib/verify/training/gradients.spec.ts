/** Gradients of a network that branches: what several layers read gets the sum of theirs. */
import { expect } from 'chai';
import { fromTensor } from '../../../../lib/array/value.ts';
import type { Judged } from '../../../../lib/bounds/bounds.ts';
import { oracleChain } from '../../../../lib/verify/training/chain.ts';
import { forwardAndBack } from '../../../../lib/verify/training/gradients.ts';
import { concat, flatten, from, linear, type Network, relu } from '../../../../reference/networks/layers.ts';
import { contextOn, g, near, t } from '../../../support/hand.ts';

describe('gradients of a network that branches', () => {
  const layers = [
    flatten('f'),
    from('f', relu('a')),
    from('f', linear('fc', 2)),
    concat('both', ['a', 'fc']),
    linear('last', 2),
  ];
  const network = { name: 'n', input: [2, 1, 1], layers } as unknown as Network;
  const weights = new Map([
    ['fc.weight', t([2, 2], 1, 2, 3, 4)],
    ['fc.bias', t([2], 0, 0)],
    ['last.weight', t([2, 4], 1, 0, 1, 0, 0, 1, 0, 1)],
    ['last.bias', t([2], 0, 0)],
  ]);
  const input = t([1, 2, 1, 1], 1, -1);
  const batch = { input, labels: [0], dropout: 'none' } as const;

  it('the chain has every value, its gradient, the parameters’, and the loss', () => {
    const { values, gradients } = oracleChain(network, weights, batch, { precision: 'float64' });
    const names = layers.map(({ name }) => name);
    const parameters = [...weights.keys()];
    expect([...values.keys()]).to.have.members([
      ...names,
      ...[...names, ...parameters, 'input'].map((name) => `d${name}`),
      'loss',
    ]);
    expect([...gradients.keys()]).to.have.members(parameters);
    // f = (1, −1), a = (1, 0), fc = (−1, −1): both = (1, 0, −1, −1), last = (0, −1)
    expect([...values.get('last')!.data]).to.deep.equal([0, -1]);
    const p = 1 / (1 + Math.exp(-1));
    near(values.get('dlast')!.data, [p - 1, 1 - p]);
    // da = dlast·(1 0; 0 1), dfc = the same; df = relu′·da + Wᵀ·dfc
    const d = p - 1;
    near(values.get('df')!.data, [d + d * 1 - d * 3, d * 2 - d * 4]);
  });

  it('a sum of two: both bounds, and one addition', () => {
    const { values } = oracleChain(network, weights, batch, { precision: 'float32' });
    const computations = forwardAndBack({
      ...{ network, weights, labels: [0], dropout: 'none', ties: 'every', factor: 1 },
      ...{ wanted: new Set(['df']), context: contextOn('cpu') },
    } as never);
    expect(computations).to.have.length(1);
    const [{ makes, judge }] = computations;
    expect(makes.map(({ name }) => name)).to.deep.equal(['df']);
    const [judged] = judge((name) => fromTensor(values.get(name) ?? input)) as Judged[];
    const d = values.get('dfc')!.data[0];
    const e = values.get('dfc')!.data[1];
    near(judged.exact.data, [d + (d + 3 * e), 2 * d + 4 * e]);
    const da = [Math.abs(d), 0];
    const own = [Math.abs(d) + 3 * Math.abs(e), 2 * Math.abs(d) + 4 * Math.abs(e)];
    for (const [i, bound] of judged.bounds.bound.entries()) {
      const sums = da[i] + Math.abs(i === 0 ? d + 3 * e : 2 * d + 4 * e);
      // two products, and the addition: between γ₂ and γ₃ of the terms
      expect(bound).to.be.within(
        g(2) * own[i] + g(1) * sums * 0.99,
        g(3) * own[i] + g(1) * sums * 1.01 + 1e-40,
      );
    }
  });
});
