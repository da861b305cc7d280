/**
 * Arrays as files hold them: a type, a shape and row-major values, whatever the file's own order was.
 *
 * The halves are kept as their 16 bits (Uint16Array), 64-bit integers as BigInt, bool as bytes 0 and 1:
 * nothing is lost between reading and writing. `toTensor` widens to what the oracle computes with, exactly
 * or not at all.
 */
import { dense, type Shape, type Storage, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';

export type DType =
  | 'float16'
  | 'bfloat16'
  | 'float32'
  | 'float64'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'bool';

export type Values =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

/** Values in row-major order. */
export interface DenseArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: Values;
}

/** An array whose values are still in the file; `read` fetches them, a fresh copy each time. */
export interface LazyArray {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Throws InputError, naming the file, if the values are not all there. */
  read(): DenseArray;
  /** Where the format allows it: fills `into`, of this type, with the values from `first` on. */
  part?(first: number, into: Values): void;
  /** Where it can be done beside other work (a compressed array): what `read` gives. */
  fetch?(): Promise<DenseArray>;
}

const constructors = {
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Bytes of one value. */
export const bytesOf = (dtype: DType): number => constructors[dtype].BYTES_PER_ELEMENT;

/**
 * Number of bytes that `shape` needs, or NaN where an extent is no whole number from 0 or the product is
 * beyond 2⁵³. Extents after a 0 are still checked.
 */
export function byteSize(dtype: DType, shape: Shape): number {
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

/** Room for so many values of that type. */
export const room = (dtype: DType, count: number): Values => new constructors[dtype](count);

/** The bytes (not copied; their buffer must be theirs alone, from its start) as values of that type. */
export function viewAs(dtype: DType, bytes: Uint8Array<ArrayBuffer>): Values {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset % bytesOf(dtype) !== 0) return viewAs(dtype, bytes.slice());
  return new constructors[dtype](buffer, byteOffset, byteLength / bytesOf(dtype));
}

/** The bytes of the values, not copied. */
export const bytesView = ({ data }: DenseArray): Uint8Array<ArrayBuffer> =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Reverses the bytes of every value, in place: big-endian files. */
export function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

/** The values of a strided array, gathered into row-major order. `strides` and `offset` count values. */
export function gather(data: Values, shape: Shape, strides: readonly number[], offset = 0): Values {
  const size = sizeOf(shape);
  const result = new (data.constructor as new (n: number) => Values)(size);
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

/** float16 bits as a number, exactly. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function widenBrain(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const wide = new Float32Array(bits.length);
  const words = new Uint32Array(wide.buffer);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return wide;
}

/**
 * Float32Array or Float64Array of the same values, not copied where it is one already. Throws where that is
 * inexact.
 */
export function widen({ dtype, data }: DenseArray): Storage {
  switch (dtype) {
    case 'float32':
    case 'float64':
      return data as Storage;
    case 'float16':
      return Float32Array.from(data as Uint16Array, halfToNumber);
    case 'bfloat16':
      return widenBrain(data as Uint16Array);
    case 'int32':
    case 'uint32':
      return Float64Array.from(data as Int32Array);
    case 'int64':
    case 'uint64':
      return Float64Array.from(data as BigInt64Array, (value) => {
        if (BigInt.asIntN(54, value) !== value) throw new InputError(`${value} has no exact float64`);
        return Number(value);
      });
    default:
      return Float32Array.from(data as Int8Array);
  }
}

/**
 * A tensor of the same values: float32 from float32, the halves and small integers, float64 from the rest.
 */
export const toTensor = (array: DenseArray): Tensor => tensor(widen(array), array.shape);

/** The tensor's values as an array, not copied where they already lie in row-major order. */
export function fromTensor(t: Tensor): DenseArray {
  const data = dense(t) as Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
  return { dtype: data instanceof Float64Array ? 'float64' : 'float32', shape: [...t.shape], data };
}

/** An array that is in memory already, as a lazy one. */
export const eager = (array: DenseArray): LazyArray => ({
  dtype: array.dtype,
  shape: array.shape,
  read: () => array,
});
