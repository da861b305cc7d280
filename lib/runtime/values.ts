/**
 * Values at onnxruntime's border. Floats are this project's tensors; every other type is a typed array with
 * its shape.
 */
import type { Tensor as OrtTensor } from 'onnxruntime-node';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import type { NumericDType } from '../array/dtype.ts';
import { fromTensor, type NumericValue, narrowed, type Value, widened } from '../array/value.ts';
import { InputError } from '../errors.ts';
import type { Onnxruntime } from './onnxruntime.ts';

/** What a session takes and gives: float32 and float64 as tensors, everything else as a value. */
export type SessionValue = Tensor | NumericValue;

export const isTensor = (value: SessionValue): value is Tensor => 'stride' in value;

/** The tensor in a value. Throws where it is of another type: `name` is for that message. */
export function asTensor(value: SessionValue, name: string): Tensor {
  if (isTensor(value)) return value;
  throw new InputError(`${name} is ${value.dtype}, not float32`);
}

/** A value as a session takes it. Throws InputError for types that it has no array for. */
export function toSession(name: string, value: Value): SessionValue {
  const { dtype } = value;
  if (dtype === 'bfloat16' || dtype === 'string')
    throw new InputError(`the input '${name}' is ${dtype}, which is not fed to onnxruntime here`);
  return narrowed(value as NumericValue);
}

/** What a session gave, halves as numbers. */
export const fromSession = (value: SessionValue): Value =>
  isTensor(value) ? fromTensor(value) : widened(value);

/** A value as onnxruntime takes it. The data are not copied where they lie row-major already. */
export function toOrt(ort: Onnxruntime, value: SessionValue): OrtTensor {
  if (isTensor(value)) {
    const data = dense(value);
    return data instanceof Float64Array
      ? new ort.Tensor('float64', data, value.shape)
      : new ort.Tensor('float32', data, value.shape);
  }
  return new ort.Tensor(value.dtype as 'uint8', value.data as never, value.shape);
}

/** An output of onnxruntime that lies in the CPU's memory. */
export function fromOrt(value: OrtTensor, name: string): SessionValue {
  const { type, dims, data } = value;
  if (data instanceof Float32Array || data instanceof Float64Array) return tensor(data, dims);
  if (type === 'string' || type === 'uint4' || type === 'int4') {
    throw new InputError(`the model's output '${name}' is ${type}, which is not read here`);
  }
  return { dtype: type, shape: [...dims], data: bits(type, data) } as NumericValue;
}

/** Newer engines have a Float16Array; its bits are what is passed on. */
function bits(type: NumericDType, data: unknown): unknown {
  if (type !== 'float16' || data instanceof Uint16Array) return data;
  const { buffer, byteOffset, length } = data as Uint16Array;
  return new Uint16Array(buffer, byteOffset, length);
}
