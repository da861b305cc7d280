/**
 * Values: a declared type, a shape, row-major data. What files hold, what the ONNX evaluator computes with and
 * what goes to a device and comes back.
 *
 * Floats of 16 bits are either their bits (Uint16Array: a file's, a device's) or, where the evaluator computes
 * with them, numbers in a Float32Array or Float64Array: `widened` and `narrowed` go from one to the other.
 */
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from '../../export/float16.ts';
import { dense, type Shape, type Storage, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { bytesOf, type DType, isWide, type NumericDType, type TypedArray } from './dtype.ts';

export type Data = TypedArray | string[];

export interface Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: Data;
}

export interface NumericValue extends Value {
  readonly dtype: NumericDType;
  readonly data: TypedArray;
}

/** A value whose data are still in the file; `read` fetches them, a fresh copy each time. */
export interface LazyValue {
  readonly dtype: NumericDType;
  readonly shape: Shape;
  /** Throws InputError, naming the file, if the data are not all there. */
  read(): NumericValue;
  /** Where the format allows it: fills `into`, of this type, with the values from `first` on. */
  part?(first: number, into: TypedArray): void;
  /** Where it can be done beside other work (a compressed array): what `read` gives. */
  fetch?(): Promise<NumericValue>;
}

/**
 * Number of bytes that `shape` needs, or NaN where an extent is not a whole number from 0 or the product is
 * beyond 2⁵³. Extents after a 0 are still checked.
 */
export function byteSize(dtype: NumericDType, shape: Shape): number {
  let size = bytesOf(dtype);
  let empty = false;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) return Number.NaN;
    if (extent === 0) empty = true;
    else size *= extent;
    if (size > Number.MAX_SAFE_INTEGER) return Number.NaN;
  }
  return empty ? 0 : size;
}

/** The bytes of the data, not copied. */
export const bytesView = ({ data }: NumericValue): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Reverses the bytes of every value, in place: big-endian files. */
export function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) {
    for (let low = at, high = at + width - 1; low < high; low++, high--) {
      const byte = bytes[low];
      bytes[low] = bytes[high];
      bytes[high] = byte;
    }
  }
}

/** The values of a strided array, gathered into row-major order. `strides` and `offset` count values. */
export function toRowMajor<T extends TypedArray>(
  data: T,
  shape: Shape,
  strides: readonly number[],
  offset = 0,
): T {
  const size = sizeOf(shape);
  const result = new (data.constructor as new (n: number) => T)(size);
  const last = shape.length - 1;
  const run = last < 0 ? 1 : shape[last];
  const step = last < 0 ? 1 : strides[last];
  const index = new Array<number>(Math.max(last, 0)).fill(0);
  for (let i = 0; i < size; ) {
    let at = offset;
    for (let axis = 0; axis < index.length; axis++) at += index[axis] * strides[axis];
    for (let j = 0; j < run; j++, i++, at += step) result[i] = data[at];
    for (let axis = index.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return result;
}

/** Strides, in values, of an array that lies in Fortran order (first axis fastest). */
export function fortranStrides(shape: Shape): number[] {
  let stride = 1;
  return shape.map((extent) => {
    const own = stride;
    stride *= extent;
    return own;
  });
}

/** Halves as the numbers that they are, in float32; any other value as it is. */
export function widened(value: Value): Value {
  const { dtype, shape, data } = value;
  if (!(data instanceof Uint16Array) || dtype === 'uint16') return value;
  return { dtype, shape, data: dtype === 'float16' ? fromFloat16(data) : fromBfloat16(data) };
}

/** Halves as their bits, rounded to the nearest; any other value as it is. */
export function narrowed(value: NumericValue): NumericValue {
  const { dtype, shape, data } = value;
  if (data instanceof Uint16Array || !dtype.endsWith('float16')) return value;
  return { dtype, shape, data: (dtype === 'float16' ? toFloat16 : toBfloat16)(data as Storage) };
}

/** The same values in float32 or float64, not copied where they are that already. Throws where that is inexact. */
export function widen(value: NumericValue): Storage {
  const { data } = widened(value);
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  if (isWide(value.dtype)) {
    const wide = data as BigInt64Array;
    return new Float64Array(wide.length).map((_, i) => exactNumber(wide[i]));
  }
  return value.dtype === 'int32' || value.dtype === 'uint32'
    ? new Float64Array(data as Int32Array)
    : new Float32Array(data as Int8Array);
}

function exactNumber(value: bigint): number {
  if (BigInt.asIntN(54, value) !== value) throw new InputError(`${value} has no exact float64`);
  return Number(value);
}

/** A tensor of the same values: float32 from float32, the halves and small integers, float64 from the rest. */
export const toTensor = (value: NumericValue): Tensor => tensor(widen(value), value.shape);

/** The tensor's values, not copied where they already lie in row-major order. */
export const fromTensor = (t: Tensor): NumericValue => floatValue(dense(t), [...t.shape]);

/** Values in float32 or float64, as their array is. */
export const floatValue = (data: Storage, shape: Shape): NumericValue => ({
  dtype: data instanceof Float64Array ? 'float64' : 'float32',
  shape,
  data,
});
