import { expect } from 'chai';
import { shape } from '../../../reference/ops/adaptiveavgpool.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/adaptiveavgpool', () => {
  checkOnFixtures('adaptiveavgpool');

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() => shape([[5, 5]], { size: [6, 6] })).to.throw(
      'adaptiveavgpool: x must have 4 dimensions (shape = [5,5])',
    );
    expect(() => shape([[1, 2, 5, 5]], { size: [6, 0] })).to.throw(
      'adaptiveavgpool: size must be positive integers (= [6,0])',
    );
  });
});
