import { expect } from 'chai';
import { maxpool as fast } from '../../../lib/fast/index.ts';
import * as plain from '../../../reference/ops/maxpool.ts';
import { tensor } from '../../../reference/tensor.ts';

describe('reference/fast frames', () => {
  it('shift a map whose frame is as large as the map: one window, padded above, that leaves the last row out', () => {
    const x = tensor(Float32Array.of(-5, -4, -3, -2, -1), [1, 1, 5, 1]);
    const window = { kernel: [5, 1], stride: [2, 1], pad: [1, 0, 0, 0], rounding: 'floor' } as const;
    expect([...plain.forward([x], window).data]).to.deep.equal([-2]);
    expect([...fast.forward([x], window).data]).to.deep.equal([-2]);
  });
});
