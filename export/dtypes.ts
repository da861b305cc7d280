/** ONNX's numbers for the types of a tensor's elements (onnx.proto, TensorProto.DataType), under NumPy's names. */
export const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
} as const;

/** The name of a type; 'type 99' for a number that IR 8 does not know. */
export const dataTypeName = (type: number | undefined): string =>
  Object.entries(dataTypes).find(([, number]) => number === type)?.[0] ?? `type ${type}`;
