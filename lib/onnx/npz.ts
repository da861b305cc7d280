/** Values from .npy and .npz arrays and back; both keep every type. */
import { fromBfloat16, fromFloat16, toFloat16 } from '../../export/float16.ts';
import type { DenseArray } from '../format/array.ts';
import type { DType, Value } from './value.ts';

/** An array of a file as a value. */
export function fromArray({ dtype, shape, data }: DenseArray): Value {
  if (dtype === 'float16') return { dtype, shape, data: fromFloat16(data as Uint16Array) };
  if (dtype === 'bfloat16') return { dtype, shape, data: fromBfloat16(data as Uint16Array) };
  return { dtype, shape, data };
}

/**
 * A value as an array. What is held in float64 is written as such, unrounded; float16 as its bits; bfloat16, for which
 * NumPy has no type, as float32. Throws for strings.
 */
export function toArray({ dtype, shape, data }: Value): DenseArray {
  if (dtype === 'string') throw new Error('strings cannot be written to .npz');
  const wide = data instanceof Float64Array;
  if (dtype === 'float16' && !wide) {
    return { dtype, shape, data: toFloat16(data as Float32Array) as Uint16Array<ArrayBuffer> };
  }
  const kept: Exclude<DType, 'string'> = wide ? 'float64' : dtype === 'bfloat16' ? 'float32' : dtype;
  return { dtype: kept, shape, data: data as DenseArray['data'] };
}
