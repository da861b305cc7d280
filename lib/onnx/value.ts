/**
 * Values of an ONNX graph: a declared type, a shape, row-major data.
 *
 * Floating-point values of every declared type are held in a Float32Array or a Float64Array. At precision
 * 'float32' each result is rounded to its declared type (what an engine stores); at 'float64' nothing is
 * rounded between nodes (the yardstick), only by Cast. Integers are exact: 64-bit ones are bigint arrays.
 * bool is a Uint8Array of 0 and 1.
 */
import { totalmem } from 'node:os';
import type { Precision, Shape, Storage, Tensor } from '../../reference/tensor.ts';
import { sizeOf, tensor } from '../../reference/tensor.ts';
import { toBfloat16, toFloat16 } from './half.ts';

export type FloatType = 'float16' | 'bfloat16' | 'float32' | 'float64';
export type IntegerType = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64';
export type DType = FloatType | IntegerType | 'bool' | 'string';

export type IntegerData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;
export type Data = Storage | IntegerData | string[];

export interface Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: Data;
}

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

const bits = { int8: 8, uint8: 8, int16: 16, uint16: 16, int32: 32, uint32: 32, int64: 64, uint64: 64 };

export const isFloat = (dtype: DType): dtype is FloatType =>
  dtype === 'float32' || dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16';

export const isInteger = (dtype: DType): dtype is IntegerType => dtype in bits;

export const isWide = (dtype: DType): boolean => dtype === 'int64' || dtype === 'uint64';

/** Integers computed at once: they are bigints meanwhile, of some forty bytes each. */
const MAX_INTEGERS = 2 ** 24;

/** Elements of a shape. Throws where they would take more than a quarter of this machine's memory, or 2^31. */
export function countOf(shape: Shape): number {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
    throw new Error(`[${shape}] is no shape: extents are integers ≥ 0`);
  }
  const count = sizeOf(shape);
  if (count >= 2 ** 31 || count * 8 > totalmem() / 4) {
    throw new Error(`a value of shape [${shape}] does not fit this machine's memory`);
  }
  return count;
}

/** What a floating-point result of this type is computed in: float32 only where that is what is stored. */
export const workingPrecision = (dtype: DType, precision: Precision): Precision =>
  precision === 'float32' && dtype === 'float32' ? 'float32' : 'float64';

/** A floating-point value, rounded to its declared type at precision 'float32'. */
export function floats(dtype: FloatType, data: Storage, shape: Shape, precision: Precision): Value {
  return { dtype, shape, data: precision === 'float64' ? data : roundTo(dtype, data) };
}

/** The values of `data` as the declared type has them. */
export function roundTo(dtype: FloatType, data: Storage): Storage {
  if (dtype === 'float64' || (dtype === 'float32' && data instanceof Float32Array)) return data;
  if (dtype === 'float32') return Float32Array.from(data);
  return Float32Array.from(data, dtype === 'float16' ? toFloat16 : toBfloat16);
}

/** An integer value; every element wraps to its type, as in C. */
export function integers(dtype: IntegerType, data: readonly bigint[], shape: Shape): Value {
  const wrap = (v: bigint): bigint =>
    dtype.startsWith('u') ? BigInt.asUintN(bits[dtype], v) : BigInt.asIntN(bits[dtype], v);
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(data, wrap) };
  if (dtype === 'uint64') return { dtype, shape, data: BigUint64Array.from(data, wrap) };
  return { dtype, shape, data: arrays[dtype].from(data.map((v) => Number(wrap(v)))) };
}

/** int64; 2^63, as which INT64_MAX is read from a file, is INT64_MAX again. */
export const int64s = (data: readonly number[], shape: Shape = [data.length]): Value => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(data, (v) => (v >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(v))),
});

export const bools = (data: Uint8Array, shape: Shape): Value => ({ dtype: 'bool', shape, data });

/** Smallest and largest value of an integer type. */
export function rangeOf(dtype: IntegerType): [bigint, bigint] {
  const n = BigInt(bits[dtype]);
  return dtype.startsWith('u') ? [0n, (1n << n) - 1n] : [-(1n << (n - 1n)), (1n << (n - 1n)) - 1n];
}

/**
 * The elements for code that only moves them: reading and writing is the same for every type, and a moved element goes
 * back into an array made by `emptyLike`.
 */
export const elements = (data: Data): number[] => data as unknown as number[];

/** Zeros (empty strings) of the same storage as v. */
export function emptyLike(v: Value, size: number): Data {
  if (v.dtype === 'string') return new Array<string>(size).fill('');
  if (isFloat(v.dtype))
    return v.data instanceof Float64Array ? new Float64Array(size) : new Float32Array(size);
  return new arrays[v.dtype](size);
}

/** v's elements at `indices` (−1: zero), under `shape`. */
export function take(v: Value, indices: ArrayLike<number>, shape: Shape): Value {
  const data = emptyLike(v, indices.length);
  const [from, to] = [elements(v.data), elements(data)];
  for (let i = 0; i < indices.length; i++) if (indices[i] >= 0) to[i] = from[indices[i]];
  return { dtype: v.dtype, shape, data };
}

export const withShape = (v: Value, shape: Shape): Value => ({ ...v, shape });

/** Floating-point data. Throws for another type. */
export function floatData(v: Value): Storage {
  if (!isFloat(v.dtype)) throw new Error(`a floating-point value is needed (dtype = ${v.dtype})`);
  return v.data as Storage;
}

/** As the reference's tensor type. Throws for a type that is not floating-point. */
export const asTensor = (v: Value, shape: Shape = v.shape): Tensor => tensor(floatData(v), shape);

/** Elements as numbers: exact for every type but integers beyond 2^53. Throws for strings. */
export function numbers(v: Value): ArrayLike<number> {
  if (v.dtype === 'string') throw new Error('a numeric value is needed (dtype = string)');
  if (v.data instanceof BigInt64Array || v.data instanceof BigUint64Array) {
    return Float64Array.from(v.data as BigInt64Array, Number);
  }
  return v.data as Storage;
}

/** Integer elements as numbers, for shapes, axes and indices; far-away sentinels (INT64_MAX) are clamped. */
export function indices(v: Value): number[] {
  if (!isInteger(v.dtype)) throw new Error(`an integer value is needed (dtype = ${v.dtype})`);
  if (v.data.length > MAX_INTEGERS)
    throw new Error(`more than ${MAX_INTEGERS} indices (shape = [${v.shape}])`);
  const clamp = (x: number): number =>
    Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, x));
  return Array.from(numbers(v), clamp);
}

/** Integer or bool elements as bigints. */
export function bigints(v: Value): bigint[] {
  if (!isInteger(v.dtype) && v.dtype !== 'bool')
    throw new Error(`an integer value is needed (dtype = ${v.dtype})`);
  if (v.data.length > MAX_INTEGERS) {
    throw new Error(`more than ${MAX_INTEGERS} integers are not computed (shape = [${v.shape}])`);
  }
  return Array.from(v.data as BigInt64Array, BigInt);
}

/** The only element of a value, as a number. */
export function scalar(v: Value): number {
  if (v.data.length !== 1) throw new Error(`a single value is needed (shape = [${v.shape}])`);
  return numbers(v)[0];
}

/** The one whose storage can hold all of them without rounding: a float64 array where there is one. */
export const widest = (values: readonly Value[]): Value =>
  values.find((v) => v.data instanceof Float64Array) ?? values[0];

/** The larger and the smaller of two bigints, for which Math has none. */
export function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

export function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}
