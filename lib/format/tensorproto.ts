/**
 * The value that an ONNX TensorProto holds, wherever the file keeps its numbers.
 *
 * Source: onnx/onnx.proto, TensorProto: raw_data is little-endian, row-major; the halves lie as 16-bit patterns in
 * int32_data, as do bool, (u)int8 and (u)int16; uint32 lies in uint64_data.
 */
import { dataTypeName } from '../../export/dtypes.ts';
import type { TensorProto } from '../../export/proto.ts';
import { type DType, dtypeOfOnnx, type NumericDType, viewAs, zerosOf } from '../array/dtype.ts';
import { byteSize, type NumericValue, type Value } from '../array/value.ts';
import { Unsupported } from '../errors.ts';

/** TensorProto.DataLocation. */
export const EXTERNAL = 1;

const decoder = new TextDecoder();

export const titleOfTensor = ({ name }: Pick<TensorProto, 'name'>): string =>
  `tensor '${(name ?? '').slice(0, 80)}'`;

/** The type of its elements. Throws for what is neither a number nor a string here. */
export function dtypeOfTensor(tensor: TensorProto): DType {
  const dtype = dtypeOfOnnx(tensor.dataType);
  if (dtype) return dtype;
  const type = dataTypeName(tensor.dataType);
  throw new Unsupported(`${titleOfTensor(tensor)}: elements of ${type} are not supported`);
}

/** Bytes of its numbers in raw data or an external file. Throws for strings and for a shape that makes no sense. */
export function bytesOfTensor(tensor: TensorProto): number {
  const dtype = dtypeOfTensor(tensor);
  if (dtype === 'string') throw new Error(`${titleOfTensor(tensor)}: strings are never raw data`);
  const size = byteSize(dtype, tensor.dims);
  if (Number.isNaN(size)) {
    throw new Error(`${titleOfTensor(tensor)}: its shape [${tensor.dims}] makes no sense`);
  }
  return size;
}

/**
 * The value. Raw data that lies aligned is viewed and not copied. Throws where the file holds more or fewer numbers
 * than the shape says, and where they are in another file that was not opened.
 */
export function valueOfTensor(tensor: TensorProto): Value {
  const dtype = dtypeOfTensor(tensor);
  const shape = tensor.dims;
  if (dtype === 'string') return { dtype, shape, data: stringsOf(tensor) };
  const size = bytesOfTensor(tensor);
  if (tensor.dataLocation === EXTERNAL) {
    throw new Error(`${titleOfTensor(tensor)}: its values are in an external file that was not loaded`);
  }
  const { rawData } = tensor;
  if (!rawData) return fromList(tensor, dtype, size);
  if (rawData.length !== size) throw misfit(tensor, `${size} bytes`, rawData.length);
  return { dtype, shape, data: viewAs(dtype, rawData) };
}

const misfit = (tensor: TensorProto, due: string, there: number): Error =>
  new Error(`${titleOfTensor(tensor)}: shape [${tensor.dims}] needs ${due} (there are ${there})`);

function fromList(tensor: TensorProto, dtype: NumericDType, size: number): NumericValue {
  const list = listOf(tensor, dtype);
  const data = zerosOf(dtype, list.length);
  if (data.byteLength !== size) throw misfit(tensor, `${size / data.BYTES_PER_ELEMENT} values`, list.length);
  const to = data as { [at: number]: number | bigint };
  for (let i = 0; i < list.length; i++) to[i] = dtype === 'uint32' ? Number(list[i]) : list[i];
  return { dtype, shape: tensor.dims, data };
}

function listOf(tensor: TensorProto, dtype: NumericDType): readonly (number | bigint)[] {
  if (dtype === 'float32') return tensor.floatData;
  if (dtype === 'float64') return tensor.doubleData;
  if (dtype === 'int64') return tensor.int64Data;
  return dtype === 'uint32' || dtype === 'uint64' ? tensor.uint64Data : tensor.int32Data;
}

function stringsOf(tensor: TensorProto): string[] {
  const strings = tensor.stringData.map((bytes) => decoder.decode(bytes));
  const due = tensor.dims.reduce((product, extent) => product * extent, 1);
  if (strings.length !== due) throw misfit(tensor, `${due} strings`, strings.length);
  return strings;
}
