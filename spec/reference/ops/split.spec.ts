import { expect } from 'chai';
import { shape } from '../../../reference/ops/split.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/split', () => {
  checkOnFixtures('split');

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() => shape([[1, 5]], { parts: 2, part: 0 })).to.throw(
      'split: parts must divide channels (parts = 2, channels = 5)',
    );
    expect(() => shape([[1, 6]], { parts: 2, part: 2 })).to.throw(
      'split: part must be an integer from 0 to 1 (= 2)',
    );
  });
});
