/**
 * The types of values and what each is called elsewhere: the one table of them.
 *
 * The halves are 16-bit patterns in a Uint16Array, bool is a byte 0 or 1, 64-bit integers are bigints: that is how
 * files and devices hold them, and nothing is lost between reading and writing.
 */
import { dataTypes } from '../../export/dtypes.ts';

export type FloatDType = 'float16' | 'bfloat16' | 'float32' | 'float64';
export type IntegerDType = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64';
export type NumericDType = FloatDType | IntegerDType | 'bool';
export type DType = NumericDType | 'string';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

interface Row {
  readonly array: {
    new (count: number): TypedArray;
    new (buffer: ArrayBufferLike, offset: number, count: number): TypedArray;
    readonly BYTES_PER_ELEMENT: number;
  };
  /** NumPy's letter and width; it has no bfloat16. */
  readonly numpy?: string;
  readonly safetensors: string;
  /** The class of PyTorch's typed storage. */
  readonly torch?: string;
  /** The Open Inference Protocol's. */
  readonly served: string;
}

const table: Readonly<Record<NumericDType, Row>> = {
  float16: { array: Uint16Array, numpy: 'f2', safetensors: 'F16', torch: 'HalfStorage', served: 'FP16' },
  bfloat16: { array: Uint16Array, safetensors: 'BF16', torch: 'BFloat16Storage', served: 'BF16' },
  float32: { array: Float32Array, numpy: 'f4', safetensors: 'F32', torch: 'FloatStorage', served: 'FP32' },
  float64: { array: Float64Array, numpy: 'f8', safetensors: 'F64', torch: 'DoubleStorage', served: 'FP64' },
  int8: { array: Int8Array, numpy: 'i1', safetensors: 'I8', torch: 'CharStorage', served: 'INT8' },
  int16: { array: Int16Array, numpy: 'i2', safetensors: 'I16', torch: 'ShortStorage', served: 'INT16' },
  int32: { array: Int32Array, numpy: 'i4', safetensors: 'I32', torch: 'IntStorage', served: 'INT32' },
  int64: { array: BigInt64Array, numpy: 'i8', safetensors: 'I64', torch: 'LongStorage', served: 'INT64' },
  uint8: { array: Uint8Array, numpy: 'u1', safetensors: 'U8', torch: 'ByteStorage', served: 'UINT8' },
  uint16: { array: Uint16Array, numpy: 'u2', safetensors: 'U16', served: 'UINT16' },
  uint32: { array: Uint32Array, numpy: 'u4', safetensors: 'U32', served: 'UINT32' },
  uint64: { array: BigUint64Array, numpy: 'u8', safetensors: 'U64', served: 'UINT64' },
  bool: { array: Uint8Array, numpy: 'b1', safetensors: 'BOOL', torch: 'BoolStorage', served: 'BOOL' },
};

const numericDTypes = Object.keys(table) as NumericDType[];

export const isNumeric = (name: string): name is NumericDType => Object.hasOwn(table, name);

type Naming = 'numpy' | 'safetensors' | 'torch' | 'served';

/** What a format calls the type; undefined where it has no name for it. */
export const codeOf = (dtype: NumericDType, naming: Naming): string | undefined => table[dtype][naming];

/** The type that a format calls so. */
export const dtypeOfCode = (code: string, naming: Naming): NumericDType | undefined =>
  numericDTypes.find((dtype) => table[dtype][naming] === code);

/** The type of that number in ONNX; undefined for complex numbers and what is unknown. */
export const dtypeOfOnnx = (number: number): DType | undefined =>
  [...numericDTypes, 'string' as const].find((dtype) => dataTypes[dtype] === number);

/** The type of an ordinary typed array's elements; null for anything else. A Uint8ClampedArray holds uint8. */
export function dtypeOfArray(data: object): NumericDType | null {
  const name = data.constructor.name.replace(/Clamped|Big|Array/g, '').toLowerCase();
  return ArrayBuffer.isView(data) && isNumeric(name) ? name : null;
}

/** Bytes of one value. */
export const bytesOf = (dtype: NumericDType): number => table[dtype].array.BYTES_PER_ELEMENT;

/** Zeros of that type. */
export const zerosOf = (dtype: NumericDType, count: number): TypedArray => new table[dtype].array(count);

/** The bytes as values of that type: the same memory where it is aligned, else a copy. */
export function viewAs(dtype: NumericDType, bytes: Uint8Array): TypedArray {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset % bytesOf(dtype) !== 0) return viewAs(dtype, new Uint8Array(bytes));
  return new table[dtype].array(buffer, byteOffset, byteLength / bytesOf(dtype));
}

export const isFloat = (dtype: DType): dtype is FloatDType => dtype.includes('float');

export const isInteger = (dtype: DType): dtype is IntegerDType => dtype.includes('int');

export const isWide = (dtype: DType): dtype is 'int64' | 'uint64' => dtype === 'int64' || dtype === 'uint64';
