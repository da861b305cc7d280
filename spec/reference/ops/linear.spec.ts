import { expect } from 'chai';
import { forward, macs, shape, terms } from '../../../reference/ops/linear.ts';
import { zeros } from '../../../reference/tensor.ts';
import { fixtureOf } from '../../support/cases.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';
import { disagreement, gamma } from '../../support/operations.ts';

describe('reference/ops/linear', () => {
  checkOnFixtures('linear');

  it('terms are the products of absolute values and of squares', () => {
    for (const test of fixtureOf('linear').cases) {
      const { x } = test.inputs;
      const { magnitude, squares, count } = terms(Object.values(test.inputs));
      expect(count).to.equal(x.shape[1]);
      for (const [got, wanted] of [
        [magnitude, test.expected.magnitude],
        [squares, test.expected.squares],
      ]) {
        const bound = (_: unknown, i: number) => 2 * gamma(count + 2) * wanted.data[i];
        expect(disagreement(test, got, bound, wanted)).to.equal(null);
      }
    }
  });

  it('counts multiply-accumulates: fc6 has 9216 · 4096', () => {
    expect(
      macs([
        [1, 9216],
        [4096, 9216],
      ]),
    ).to.equal(37_748_736);
    expect(
      macs([
        [5, 9216],
        [4096, 9216],
      ]),
    ).to.equal(5 * 37_748_736);
  });

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() =>
      shape([
        [2, 3, 4],
        [5, 3],
      ]),
    ).to.throw('linear: x must have 2 dimensions (shape = [2,3,4])');
    expect(() => shape([[2, 3], [5]])).to.throw('linear: w must have 2 dimensions (shape = [5])');
    expect(() =>
      shape([
        [2, 3],
        [5, 4],
      ]),
    ).to.throw('linear: w must have 3 inputs, as x has (w = [5,4])');
    expect(() => forward([zeros([2, 3]), zeros([5, 3]), zeros([4])])).to.throw(
      'linear: b must have 5 values (= 4)',
    );
  });
});
