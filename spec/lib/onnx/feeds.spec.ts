import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { widened } from '../../../lib/array/value.ts';
import { ramp } from '../../../lib/onnx/engines.ts';
import { npzValue } from '../../../lib/onnx/feeds.ts';
import { bool, f32, i64 } from '../../support/onnx.ts';

describe('values as arrays of .npz files', () => {
  it('come back as they were, type by type', () => {
    const half: Value = { dtype: 'float16', shape: [2], data: Float32Array.of(1.5, 65504) };
    for (const value of [f32([1, 2], [1, 2]), i64([2 ** 53 + 2]), bool([1, 0]), half]) {
      expect(widened(npzValue(value))).to.deep.equal(value);
    }
    expect(npzValue(half).data).to.deep.equal(Uint16Array.of(0x3e00, 0x7bff));
  });

  it('that are not rounded are written as float64, bfloat16 as float32', () => {
    expect(npzValue({ dtype: 'float32', shape: [1], data: Float64Array.of(0.1) }).dtype).to.equal('float64');
    expect(npzValue({ dtype: 'bfloat16', shape: [1], data: Float32Array.of(1.5) }).dtype).to.equal('float32');
    expect(ramp({ name: 'x', dtype: 'float32', shape: ['N', 2] })).to.deep.equal(f32([0, 0.5], [1, 2]));
    expect(() => ramp({ name: 'x', dtype: 'int64', shape: [1] })).to.throw("'x' must be float32");
    expect(() => npzValue({ dtype: 'string', shape: [1], data: ['a'] })).to.throw('strings');
  });
});
