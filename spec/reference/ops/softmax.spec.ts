import { expect } from 'chai';
import { forward, shape } from '../../../reference/ops/softmax.ts';
import { tensor } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/softmax', () => {
  checkOnFixtures('softmax');

  it('gives the closed form for logs of 1, 2 and 5, whatever is added to them', () => {
    for (const shift of [0, 700, -700]) {
      const x = new Float64Array([1, 2, 5]).map((v) => Math.log(v) + shift);
      const y = forward([tensor(x, [1, 3])]);
      // x is rounded at |x| ≤ 702: half an ULP of 2⁻⁴³ relative to e^x
      [0.125, 0.25, 0.625].forEach((p, k) => {
        expect(y.data[k]).to.be.closeTo(p, 2 ** -42);
      });
    }
  });

  it('refuses what is not a matrix', () => {
    expect(() => shape([[1, 5, 2, 2]])).to.throw('softmax: x must have 2 dimensions (shape = [1,5,2,2])');
  });
});
