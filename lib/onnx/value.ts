/**
 * What the operators do with values.
 *
 * Floating-point values of every declared type are held in a Float32Array or a Float64Array. At precision
 * 'float32' each result is rounded to its declared type (what an engine stores); at 'float64' nothing is
 * rounded between nodes (the yardstick), only by Cast. Integers are exact.
 */
import { roundBfloat16, roundFloat16 } from '../../export/float16.ts';
import type { Precision, Shape, Storage, Tensor } from '../../reference/tensor.ts';
import { sizeOf, tensor } from '../../reference/tensor.ts';
import {
  bytesOf,
  type DType,
  type FloatDType,
  type IntegerDType,
  isFloat,
  isInteger,
  isWide,
  zerosOf,
} from '../array/dtype.ts';
import type { Data, Value } from '../array/value.ts';
import { budget, fitStrings } from './budget.ts';

/** Integers computed at once: they are bigints meanwhile, of some forty bytes each. */
const BIGINT = 40;
const MAX_INTEGERS = 2 ** 24;

/** Elements of a shape. Throws where they are 2^31 or more, or alone exceed the run's budget in float64. */
export function countOf(shape: Shape): number {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
    throw new Error(`[${shape}] is not a shape: extents are integers ≥ 0`);
  }
  const count = sizeOf(shape);
  if (count >= 2 ** 31) throw new Error(`a value of shape [${shape}] does not fit: 2^31 elements or more`);
  budget().fit(8 * count, true);
  return count;
}

/** What a floating-point result of this type is computed in: float32 only where that is what is stored. */
export const workingPrecision = (dtype: DType, precision: Precision): Precision =>
  precision === 'float32' && dtype === 'float32' ? 'float32' : 'float64';

/** A floating-point value, rounded to its declared type at precision 'float32'. */
export function floats(dtype: FloatDType, data: Storage, shape: Shape, precision: Precision): Value {
  return { dtype, shape, data: precision === 'float64' ? data : roundTo(dtype, data) };
}

/** The values of `data` as the declared type has them. */
export function roundTo(dtype: FloatDType, data: Storage): Storage {
  if (dtype === 'float64' || (dtype === 'float32' && data instanceof Float32Array)) return data;
  if (dtype === 'float32') return new Float32Array(data);
  const round = dtype === 'float16' ? roundFloat16 : roundBfloat16;
  return new Float32Array(data.length).map((_, i) => round(data[i]));
}

/** An integer value of the elements that `at` gives; every one wraps to its type, as in C. */
export function integers(dtype: IntegerDType, at: (i: number) => bigint, shape: Shape): Value {
  const wrap = dtype.startsWith('u') ? BigInt.asUintN : BigInt.asIntN;
  const bits = 8 * bytesOf(dtype);
  const count = countOf(shape);
  budget().fit(count * BIGINT);
  const data = zerosOf(dtype, count);
  const to = data as { [at: number]: number | bigint };
  for (let i = 0; i < data.length; i++) {
    const wrapped = wrap(bits, at(i));
    to[i] = isWide(dtype) ? wrapped : Number(wrapped);
  }
  return { dtype, shape, data };
}

/** int64; 2^63, as which INT64_MAX is read from a file, is INT64_MAX again. */
export const int64s = (data: readonly number[], shape: Shape = [data.length]): Value => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(data, (v) => (v >= 2 ** 63 ? 2n ** 63n - 1n : BigInt(v))),
});

export const bools = (data: Uint8Array, shape: Shape): Value => ({ dtype: 'bool', shape, data });

/** Smallest and largest value of an integer type. */
export function rangeOf(dtype: IntegerDType): [bigint, bigint] {
  const n = BigInt(8 * bytesOf(dtype));
  return dtype.startsWith('u') ? [0n, (1n << n) - 1n] : [-(1n << (n - 1n)), (1n << (n - 1n)) - 1n];
}

/**
 * The elements for code that only moves them: reading and writing is the same for every type, and a moved element goes
 * back into an array made by `emptyLike`.
 */
export const elements = (data: Data): number[] => data as unknown as number[];

/** Zeros (empty strings) of the same storage as v. */
export function emptyLike(v: Value, size: number): Data {
  if (v.dtype === 'string') {
    fitStrings(size);
    return new Array<string>(size).fill('');
  }
  const wide = v.data instanceof Float64Array;
  const bytes = isFloat(v.dtype) ? (wide ? 8 : 4) : bytesOf(v.dtype);
  budget().fit(size * bytes);
  if (isFloat(v.dtype)) return wide ? new Float64Array(size) : new Float32Array(size);
  return zerosOf(v.dtype, size);
}

/** v's elements at `indices` (−1: zero), under `shape`. */
export function picked(v: Value, indices: ArrayLike<number>, shape: Shape): Value {
  const data = emptyLike(v, indices.length);
  const from = elements(v.data);
  const to = elements(data);
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
  const { data } = v;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    return new Float64Array(data.length).map((_, i) => Number(data[i]));
  return data as Storage;
}

function mustBeInteger(v: Value, orBool = false): void {
  if (!isInteger(v.dtype) && !(orBool && v.dtype === 'bool')) {
    throw new Error(`an integer value is needed (dtype = ${v.dtype})`);
  }
  if (v.data.length > MAX_INTEGERS) {
    throw new Error(`more than ${MAX_INTEGERS} integers are not computed (shape = [${v.shape}])`);
  }
}

/** Integer elements as numbers, for shapes, axes and indices; far-away sentinels (INT64_MAX) are clamped. */
export function indices(v: Value): number[] {
  mustBeInteger(v);
  const most = Number.MAX_SAFE_INTEGER;
  return Array.from(numbers(v), (x) => Math.max(-most, Math.min(most, x)));
}

/** Integer or bool elements as bigints. */
export function bigints(v: Value): bigint[] {
  mustBeInteger(v, true);
  return Array.from(v.data as BigInt64Array, BigInt);
}

/** The only element of a value, as a number. */
export function only(v: Value): number {
  if (v.data.length !== 1) throw new Error(`a single value is needed (shape = [${v.shape}])`);
  return numbers(v)[0];
}

/** The one whose storage can hold all of them without rounding: a float64 array where there is one. */
export const widest = (values: readonly Value[]): Value =>
  values.find((v) => v.data instanceof Float64Array) ?? values[0];

/** The larger and the smaller of two bigints, for which Math has none. */
export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
