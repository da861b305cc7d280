/** The fast fully connected layer has the bits of the plain loops. */
import { expect } from 'chai';
import * as fast from '../../../lib/fast/linear.ts';
import { configure, unavailable, workers } from '../../../lib/fast/node.ts';
import * as plain from '../../../reference/ops/linear.ts';
import { cast, type Precision, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from '../../support/bits.ts';

const operands = (N: number, I: number, O: number, nonFinite = false) => ({
  x: tensor(awkward(N * I, 4, { nonFinite }), [N, I]),
  w: tensor(awkward(O * I, 5, { nonFinite }), [O, I]),
  b: tensor(awkward(O, 6), [O]),
});

describe('fast linear', () => {
  before(() => expect(unavailable()).to.equal(''));
  afterEach(() => configure({ threads: workers(1), wide: false }));

  const same = (N: number, I: number, O: number, storage: Precision[], y: Precision, nonFinite = false) => {
    const { x, w, b } = operands(N, I, O, nonFinite);
    for (const bias of [[b], []]) {
      const args = [[cast(x, storage[0]), cast(w, storage[1]), ...bias], undefined, y] as const;
      const difference = firstDifference(fast.forward(...args).data, plain.forward(...args).data);
      expect(difference, `${N}×${I}×${O}, ${storage} to ${y}, first difference`).to.equal(-1);
    }
  };

  for (const settings of [{}, { wide: true }]) {
    it(`has the bits of the plain loops with ${JSON.stringify(settings)}`, () => {
      configure(settings);
      for (let n = 1; n <= 17; n++) {
        same(n, 5, 7, ['float32', 'float32'], 'float32');
        same(2, n, 3, ['float32', 'float32'], 'float32');
        same(1, n, 9, ['float32', 'float32'], 'float32');
        same(3, 11, n, ['float32', 'float32'], 'float64');
        same(1, 13, n, ['float32', 'float32'], 'float64');
      }
      same(3, 700, 21, ['float32', 'float32'], 'float32', true);
      same(1, 700, 21, ['float32', 'float32'], 'float32', true);
      for (const N of [1, 3]) {
        same(N, 33, 10, ['float64', 'float64'], 'float64');
        same(N, 33, 10, ['float64', 'float32'], 'float64');
        same(N, 33, 10, ['float32', 'float64'], 'float32');
      }
    });
  }

  it('computes weights of several chunks', () => same(1, 9000, 130, ['float32', 'float32'], 'float32'));

  it('gives the bounds the same sums', () => {
    for (const N of [1, 3]) {
      const { x, w, b } = operands(N, 301, 77);
      const [a, e] = [fast.terms([x, w, b]), plain.terms([x, w, b])];
      expect(firstDifference(a.magnitude.data, e.magnitude.data)).to.equal(-1);
      expect(firstDifference(a.squares.data, e.squares.data)).to.equal(-1);
      expect(a.count).to.equal(e.count);
    }
  });
});
