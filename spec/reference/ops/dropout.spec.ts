import { expect } from 'chai';
import { forward, shape } from '../../../reference/ops/dropout.ts';
import { zeros } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/dropout', () => {
  checkOnFixtures('dropout');

  it('refuses what makes no sense, naming argument and value', () => {
    for (const ratio of [1, -0.1, NaN]) {
      expect(() => shape([[2, 3]], { ratio, convention: 'paper' })).to.throw(
        `dropout: ratio must be at least 0 and below 1 (= ${ratio})`,
      );
    }
    expect(() => forward([zeros([2, 3]), zeros([5])], { ratio: 0.5, convention: 'paper' })).to.throw(
      'dropout: the mask must have 6 values (= 5)',
    );
  });
});
