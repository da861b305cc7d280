/** Nodes as they are written from one opset to another, and the values that they get. */
import type { DType } from '../../../lib/array/dtype.ts';
import type { Value } from '../../../lib/array/value.ts';
import { elements } from '../../../lib/onnx/value.ts';
import { type AttributeValue, bool, f32, i64, noise } from '../onnx.ts';

/** A node as it is written from one opset to another. */
export interface Form {
  readonly opsets: readonly [number, number];
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly outputs?: number;
  readonly types?: readonly DType[];
}

export const x4 = noise([2, 3, 7, 6], 3);
export const x3 = noise([2, 3, 4], 4);
export const m23 = noise([2, 3], 5);
export const positive: Value = {
  ...x3,
  data: Float32Array.from(x3.data as Float32Array, (v) => Math.abs(v) + 0.1),
};
export const as = (v: Value, dtype: DType, f: (x: number) => number): Value =>
  dtype === 'bool'
    ? bool(Array.from(elements(v.data), f), v.shape)
    : i64(Array.from(elements(v.data), f), v.shape);
export const mask = as(x3, 'bool', (v) => Number(v > 0));
export const whole = as(x3, 'int64', (v) => Math.trunc(9 * v) || 1);
export const f = (float: number) => ({ float });
export const scalar = (v: number): Value => f32([v], []);

export const unary = (x: Value): Form[] => [{ opsets: [6, 25], inputs: [x] }];
export const windowed = { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 2, 1] };
/** Numpy's broadcasting since 7; before, the second operand alone, from an axis. */
export const binary = (
  types: readonly DType[] = ['float32'],
  a = x3,
  b: Value = m23,
  c = noise([2, 1, 4], 6),
): Form[] => [
  { opsets: [6, 6], inputs: [a, b], attributes: { broadcast: 1, axis: 0 }, types },
  { opsets: [7, 25], inputs: [a, c], types },
];
export const reduction = (inputSince: number): Form[] => [
  { opsets: [6, inputSince - 1], inputs: [positive], attributes: { axes: [0, 2], keepdims: 0 } },
  { opsets: [11, inputSince - 1], inputs: [positive], attributes: { axes: [-1] } },
  { opsets: [inputSince, 25], inputs: [positive, i64([0, -1])], attributes: { keepdims: 0 } },
  { opsets: [inputSince, 25], inputs: [positive], attributes: { noop_with_empty_axes: 1 } },
  { opsets: [6, 25], inputs: [positive] },
];
export const variadic: Form[] = [
  { opsets: [6, 25], inputs: [x3, positive, x3] },
  { opsets: [8, 25], inputs: [x3, noise([3, 1], 7)] },
];
export const statistics = [1, 2, 3].map((seed) => noise([3], seed));
export const variance = f32([0.5, 1.5, 0.7]);
export const scores = noise([4, 5], 8);
