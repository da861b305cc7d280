/**
 * Values at onnxruntime's border. Floats are this project's tensors; every other type is a typed array with
 * its shape.
 */
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { dense, type Shape, type Tensor, tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import type { Onnxruntime } from './onnxruntime.ts';

/** Arrays by ONNX type. Booleans are bytes 0 and 1; float16 values are their bits. */
interface Arrays {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  readonly float16: Uint16Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly bool: Uint8Array;
}
export type DataType = keyof Arrays;

/** A row-major value of any type. */
export type TypedValue = {
  [T in DataType]: { readonly dtype: T; readonly shape: Shape; readonly data: Arrays[T] };
}[DataType];

/** float32 and float64 come back from a session as tensors, everything else as a TypedValue. */
export type Value = Tensor | TypedValue;

export const isTensor = (value: Value): value is Tensor => 'stride' in value;

/** The tensor in a value. Throws where it is of another type: `name` is for that message. */
export function asTensor(value: Value, name: string): Tensor {
  if (isTensor(value)) return value;
  throw new InputError(`${name} is ${value.dtype}, not float32`);
}

/** A value as onnxruntime takes it. The data are not copied where they lie row-major already. */
export function toOrt(ort: Onnxruntime, value: Value): OrtTensor {
  if (isTensor(value)) {
    const data = dense(value);
    return data instanceof Float64Array
      ? new ort.Tensor('float64', data, value.shape)
      : new ort.Tensor('float32', data, value.shape);
  }
  return new ort.Tensor(value.dtype, value.data as never, value.shape);
}

/** An output of onnxruntime that lies in the CPU's memory. */
export function fromOrt(value: OrtTensor, name: string): Value {
  const { type, dims, data } = value;
  if (data instanceof Float32Array || data instanceof Float64Array) return tensor(data, dims);
  if (type === 'string' || type === 'uint4' || type === 'int4') {
    throw new InputError(`the model's output '${name}' is ${type}, which is not read here`);
  }
  return { dtype: type, shape: [...dims], data: bits(type, data) } as TypedValue;
}

/** Newer engines have a Float16Array; its bits are what is passed on. */
function bits(type: DataType, data: unknown): unknown {
  if (type !== 'float16' || data instanceof Uint16Array) return data;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}
