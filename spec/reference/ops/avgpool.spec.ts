import { expect } from 'chai';
import { type Attributes, divisorAt, shape } from '../../../reference/ops/avgpool.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

const plain: Attributes = {
  kernel: [3, 3],
  stride: [2, 2],
  pad: [0, 0, 0, 0],
  rounding: 'floor',
  divisor: 'valid',
};

describe('reference/ops/avgpool', () => {
  checkOnFixtures('avgpool');

  it("divides a corner window by each convention's number of pixels", () => {
    // a 3×3 window at (−1, −1) and one at (4, 4) of a 6×6 image padded by 1
    const pad = [1, 1, 1, 1] as const;
    const at = (corner: number, divisor: Attributes['divisor']) =>
      divisorAt(corner, corner, 6, 6, { ...plain, pad, divisor });
    expect([at(-1, 'valid'), at(-1, 'window'), at(-1, 'caffe')]).to.deep.equal([4, 9, 9]);
    expect([at(5, 'valid'), at(5, 'window'), at(5, 'caffe')]).to.deep.equal([1, 9, 4]);
  });

  it('refuses what makes no sense, naming the operation', () => {
    expect(() => shape([[5, 5]], plain)).to.throw('avgpool: x must have 4 dimensions (shape = [5,5])');
    expect(() => shape([[1, 1, 2, 5]], plain)).to.throw('avgpool: the window [3,3] does not fit');
  });
});
