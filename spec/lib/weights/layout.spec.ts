import { expect } from 'chai';
import type { TypedArray } from '../../../lib/array/dtype.ts';
import {
  arrange,
  arrangeParts,
  biasLayout,
  type Layout,
  weightLayouts,
} from '../../../lib/weights/layout.ts';
import { conv, linear } from '../../../reference/networks/layers.ts';
import type { Storage } from '../../../reference/tensor.ts';

describe('layouts', () => {
  const axes = (found: Layout[]) => found.map((layout) => `${layout.axes} ${layout.shape}`);
  const conv2 = conv('conv2', 4, 5, { groups: 2 }) as never;
  const fc = linear('fc', 3) as never;

  it('are told by shape, a group having its own input channels', () => {
    expect(axes(weightLayouts(conv2, [1, 6, 9, 9], [8, 3, 5, 5]))).to.deep.equal(['OIHW 8,3,5,5']);
    expect(axes(weightLayouts(conv2, [1, 6, 9, 9], [5, 5, 3, 8]))).to.deep.equal(['HWIO 8,3,5,5']);
    expect(axes(weightLayouts(conv2, [1, 6, 9, 9], [75, 8]))).to.deep.equal(['CRSK 8,3,5,5']);
    expect(axes(weightLayouts(conv2, [1, 6, 9, 9], [7, 3, 5, 5]))).to.deep.equal([]);
    expect(axes(weightLayouts(conv2, [1, 6, 9, 9], [8, 6, 5, 5]))).to.deep.equal([]);
    expect(axes(weightLayouts(fc, [1, 12], [1, 1, 3, 12]))).to.deep.equal(['OI 3,12']);
    expect(axes(weightLayouts(fc, [1, 12], [12, 3]))).to.deep.equal(['IO 3,12']);
    expect(axes(weightLayouts(fc, [1, 12], [12, 12]))).to.deep.equal(['OI 12,12', 'IO 12,12']);
    expect(biasLayout(4, [1, 1, 1, 4])?.shape).to.deep.equal([4]);
    expect(biasLayout(4, [2, 2])).to.equal(null);
    expect(biasLayout(4, [])).to.equal(null);
  });

  it('of two inputs and three outputs, by hand', () => {
    // rows are inputs: 1 2 3 / 4 5 6
    const values = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect([...arrange(values, { axes: 'IO', shape: [3, 2] })]).to.deep.equal([1, 4, 2, 5, 3, 6]);
    // C = 2, H = 1, W = 2: H,W,C order is c0w0 c1w0 c0w1 c1w1
    const hwc = Float32Array.of(10, 20, 11, 21);
    const flatten = [2, 1, 2] as const;
    expect([...arrange(hwc, { axes: 'OI', shape: [1, 4], flatten })]).to.deep.equal([10, 11, 20, 21]);
    expect([...arrange(hwc, { axes: 'IO', shape: [1, 4], flatten })]).to.deep.equal([10, 11, 20, 21]);
    const big = BigInt64Array.of(1n, 2n, 3n, 4n);
    expect([...arrange(big, { axes: 'IO', shape: [2, 2] })]).to.deep.equal([1n, 3n, 2n, 4n]);
  });

  it('are the same a few rows at a time', () => {
    const [K, inner] = [100_000, 8]; // two rows a part
    const values = new Float32Array(K * inner).map((_, i) => i);
    const layout: Layout = { axes: 'IO', shape: [K, inner] };
    const parts: number[] = [];
    const part = (first: number, into: TypedArray) => {
      parts.push(into.length);
      (into as Float32Array).set(values.subarray(first, first + into.length));
    };
    const same = (found: Storage, wanted: Storage) =>
      expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(wanted.buffer))).to.equal(0);
    same(arrangeParts({ dtype: 'float32', part }, layout), arrange(values, layout));
    expect(parts).to.deep.equal([2, 2, 2, 2].map((rows) => rows * K));
    const flattened: Layout = { ...layout, flatten: [2, 2, 2] };
    same(arrangeParts({ dtype: 'float32', part }, flattened), arrange(values, flattened));
  });

  it('of sides that no tile divides, with and without flattening, element by element', () => {
    const [K, C, H, W] = [13, 5, 3, 11];
    const inner = C * H * W;
    const values = new Float64Array(K * inner).map((_, i) => Math.sqrt(i));
    const part = (first: number, into: TypedArray) =>
      (into as Float64Array).set(values.subarray(first, first + into.length));
    for (const flatten of [undefined, [C, H, W] as const]) {
      const layout: Layout = { axes: 'IO', shape: [K, inner], ...(flatten ? { flatten } : {}) };
      for (const found of [arrange(values, layout), arrangeParts({ dtype: 'float64', part }, layout)]) {
        for (let k = 0; k < K; k++) {
          for (let i = 0; i < inner; i++) {
            const [c, p] = [Math.floor(i / (H * W)), i % (H * W)];
            expect(found[k * inner + i]).to.equal(values[(flatten ? p * C + c : i) * K + k]);
          }
        }
      }
    }
  });

  it('widens halves on the way', () => {
    const bits = Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400); // 1 2 / 3 4
    const part = (first: number, into: TypedArray) =>
      (into as Uint16Array).set(bits.subarray(first, first + into.length));
    expect([...arrangeParts({ dtype: 'float16', part }, { axes: 'IO', shape: [2, 2] })]).to.deep.equal([
      1, 3, 2, 4,
    ]);
  });
});
