import { expect } from 'chai';
import { fromArray, toArray } from '../../../lib/onnx/npz.ts';
import type { Value } from '../../../lib/onnx/value.ts';
import { bool, f32, i64 } from './helpers.ts';

describe('values as arrays of .npz files', () => {
  it('come back as they were, type by type', () => {
    const half: Value = { dtype: 'float16', shape: [2], data: Float32Array.of(1.5, 65504) };
    for (const value of [f32([1, 2], [1, 2]), i64([2 ** 53 + 2]), bool([1, 0]), half]) {
      expect(fromArray(toArray(value))).to.deep.equal(value);
    }
    expect(toArray(half).data).to.deep.equal(Uint16Array.of(0x3e00, 0x7bff));
  });

  it('that are not rounded are written as float64, bfloat16 as float32', () => {
    expect(toArray({ dtype: 'float32', shape: [1], data: Float64Array.of(0.1) }).dtype).to.equal('float64');
    expect(toArray({ dtype: 'bfloat16', shape: [1], data: Float32Array.of(1.5) }).dtype).to.equal('float32');
    expect(() => toArray({ dtype: 'string', shape: [1], data: ['a'] })).to.throw('strings');
  });
});
