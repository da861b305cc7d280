import { expect } from 'chai';
import { shape } from '../../../reference/ops/concat.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/concat', () => {
  checkOnFixtures('concat');

  it('refuses shapes that differ elsewhere than in channels', () => {
    const message = 'concat: shapes must agree but for channels ([2,3,4,5] and [2,3,4,6])';
    expect(() =>
      shape([
        [2, 3, 4, 5],
        [2, 3, 4, 6],
      ]),
    ).to.throw(message);
    expect(() => shape([[2], [2]])).to.throw('concat: shapes must agree but for channels ([2] and [2])');
  });
});
