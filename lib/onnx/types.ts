/**
 * ONNX's numbers for element types (TensorProto.DataType) and the names used here. Complex and 8- and 4-bit
 * floats: none.
 */
import type { DType } from './value.ts';

export const typeNames: ReadonlyMap<number, DType> = new Map<number, DType>([
  [1, 'float32'],
  [2, 'uint8'],
  [3, 'int8'],
  [4, 'uint16'],
  [5, 'int16'],
  [6, 'int32'],
  [7, 'int64'],
  [8, 'string'],
  [9, 'bool'],
  [10, 'float16'],
  [11, 'float64'],
  [12, 'uint32'],
  [13, 'uint64'],
  [16, 'bfloat16'],
]);

export const typeNumbers: ReadonlyMap<DType, number> = new Map(
  [...typeNames].map(([number, name]) => [name, number]),
);
