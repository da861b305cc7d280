/**
 * The numbers of a TensorProto as a typed array, wherever the file keeps them.
 *
 * Source: onnx/onnx.proto, TensorProto: raw_data is little-endian, row-major; float16 and bfloat16 lie as 16-bit
 * patterns in int32_data; bool, (u)int8 and (u)int16 in int32_data; complex numbers as pairs.
 */
import { fromBfloat16, fromFloat16 } from './float16.ts';
import { dataTypeName, dataTypes, type TensorProto } from './proto.ts';

export type Values =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>;

type Field = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';

interface Layout {
  readonly field: Field;
  /** Bytes of one stored number. */
  readonly bytes: number;
  /** A typed array over memory that is aligned and has whole numbers. */
  readonly over: (buffer: ArrayBuffer, offset: number, length: number) => Values;
  readonly from: (list: readonly (number | bigint)[]) => Values;
  /** Stored numbers of one element. */
  readonly parts?: 2;
  readonly widen?: (bits: ArrayLike<number>) => Float32Array<ArrayBuffer>;
}

interface Constructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, length: number): Values;
  from(list: readonly (number | bigint)[]): Values;
}

function layout(type: unknown, field: Field, more: Partial<Layout> = {}): Layout {
  const Type = type as Constructor;
  return {
    field,
    bytes: Type.BYTES_PER_ELEMENT,
    over: (buffer, offset, length) => new Type(buffer, offset, length),
    from: (list) => Type.from(list),
    ...more,
  };
}

/** TensorProto.DataLocation. */
const EXTERNAL = 1;

const layouts: Readonly<Record<number, Layout>> = {
  [dataTypes.FLOAT]: layout(Float32Array, 'floatData'),
  [dataTypes.UINT8]: layout(Uint8Array, 'int32Data'),
  [dataTypes.INT8]: layout(Int8Array, 'int32Data'),
  [dataTypes.UINT16]: layout(Uint16Array, 'int32Data'),
  [dataTypes.INT16]: layout(Int16Array, 'int32Data'),
  [dataTypes.INT32]: layout(Int32Array, 'int32Data'),
  [dataTypes.INT64]: layout(BigInt64Array, 'int64Data'),
  [dataTypes.BOOL]: layout(Uint8Array, 'int32Data'),
  [dataTypes.FLOAT16]: layout(Uint16Array, 'int32Data', { widen: fromFloat16 }),
  [dataTypes.DOUBLE]: layout(Float64Array, 'doubleData'),
  [dataTypes.UINT32]: layout(Uint32Array, 'uint64Data'),
  [dataTypes.UINT64]: layout(BigUint64Array, 'uint64Data'),
  [dataTypes.COMPLEX64]: layout(Float32Array, 'floatData', { parts: 2 }),
  [dataTypes.COMPLEX128]: layout(Float64Array, 'doubleData', { parts: 2 }),
  [dataTypes.BFLOAT16]: layout(Uint16Array, 'int32Data', { widen: fromBfloat16 }),
};

/** Bytes of one element in raw_data or an external file. Throws for strings and unknown types. */
export function elementBytes(dataType: number): number {
  const { bytes, parts = 1 } = layoutOf(dataType, 'a tensor');
  return bytes * parts;
}

/** Number of elements. Throws if a dim is negative or the product is no safe integer. */
export function elementCount(tensor: Pick<TensorProto, 'dims' | 'name'>): number {
  const count = tensor.dims.reduce((product, dim) => product * dim, 1);
  if (!tensor.dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || !Number.isSafeInteger(count)) {
    throw new Error(`${title(tensor)}: its shape [${tensor.dims}] makes no sense`);
  }
  return count;
}

/**
 * The values in row-major order; float16 and bfloat16 as float32, bool as 0 and 1, complex numbers as pairs.
 * Raw data that lies aligned is viewed and not copied. Throws where the file holds more or fewer numbers than
 * the shape says, where the values are in another file (load them into rawData and clear dataLocation first),
 * and for strings.
 */
export function tensorValues(tensor: TensorProto): Values {
  const known = layoutOf(tensor.dataType, title(tensor));
  if (tensor.dataLocation === EXTERNAL) {
    throw new Error(`${title(tensor)}: its values are in an external file that was not loaded`);
  }
  const count = elementCount(tensor) * (known.parts ?? 1);
  const stored = tensor.rawData
    ? fromRaw(tensor.rawData, count, known, tensor)
    : fromField(count, known, tensor);
  return known.widen ? known.widen(stored as Uint16Array) : stored;
}

const title = (tensor: Pick<TensorProto, 'name'>): string => `tensor '${tensor.name ?? ''}'`;

function layoutOf(dataType: number, what: string): Layout {
  const known = layouts[dataType];
  if (!known)
    throw new Error(`${what}: values of ${dataTypeName(dataType)} are not numbers that can be read`);
  return known;
}

function fromRaw(raw: Uint8Array, count: number, { bytes, over }: Layout, tensor: TensorProto): Values {
  if (raw.length !== count * bytes) {
    throw new Error(
      `${title(tensor)}: shape [${tensor.dims}] needs ${count * bytes} bytes (there are ${raw.length})`,
    );
  }
  const swap = bytes > 1 && new Uint16Array(Uint8Array.of(1, 0).buffer)[0] !== 1;
  if (!swap && raw.byteOffset % bytes === 0) return over(raw.buffer as ArrayBuffer, raw.byteOffset, count);
  const copy = Uint8Array.from(raw);
  if (swap) for (let at = 0; at < copy.length; at += bytes) copy.subarray(at, at + bytes).reverse();
  return over(copy.buffer, 0, count);
}

function fromField(count: number, { field, from }: Layout, tensor: TensorProto): Values {
  const list = tensor[field] as readonly (number | bigint)[];
  if (list.length !== count) {
    throw new Error(
      `${title(tensor)}: shape [${tensor.dims}] needs ${count} values (there are ${list.length})`,
    );
  }
  return from(field === 'uint64Data' && tensor.dataType === dataTypes.UINT32 ? list.map(Number) : list);
}
