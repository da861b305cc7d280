import { expect } from 'chai';
import { forward } from '../../../reference/ops/flatten.ts';
import { tensor } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/flatten', () => {
  checkOnFixtures('flatten');

  it('orders two channels of a 1×2 image as its header says', () => {
    const x = tensor(Float32Array.of(1, 2, 10, 20), [1, 2, 1, 2]);
    expect([...forward([x], { order: 'CHW' }).data]).to.deep.equal([1, 2, 10, 20]);
    expect([...forward([x], { order: 'HWC' }).data]).to.deep.equal([1, 10, 2, 20]);
  });
});
