import { expect } from 'chai';
import { denominators, forward, shape } from '../../../reference/ops/mapnorm.ts';
import { tensor } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

const caffe = { size: 3, alpha: 5e-5, beta: 0.75, k: 1, divide: true };

describe('reference/ops/mapnorm', () => {
  checkOnFixtures('mapnorm');

  it('gives the closed form for a row of three pixels, and its s', () => {
    // 1 + 9/9·Σx² over neighbours, zeros outside counted: 1 + (1 + 4), 1 + (1 + 4 + 4), 1 + (4 + 4)
    const x = tensor(Float64Array.of(1, 2, -2), [1, 1, 1, 3]);
    const attributes = { ...caffe, alpha: 9, beta: 0.5 };
    const y = forward([x], attributes);
    expect([...denominators(x, attributes)]).to.deep.equal([6, 10, 9]);
    expect(y.data[2]).to.be.closeTo(-2 / 3, 2 ** -53);
  });

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() => shape([[2, 5]], caffe)).to.throw('mapnorm: x must have 4 dimensions (shape = [2,5])');
    expect(() => shape([[1, 5, 2, 2]], { ...caffe, size: 1.5 })).to.throw(
      'mapnorm: size must be a positive integer (= 1.5)',
    );
  });
});
