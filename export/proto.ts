/**
 * ONNX files as plain objects: the one place that knows onnx-proto (ONNX 1.10.2's schema, IR 8).
 *
 * 64-bit integers are numbers here (attributes, dims, versions; INT64_MAX becomes 2⁶³ and is written back as
 * INT64_MAX) and bigints in int64Data and uint64Data. Lists are always there when decoded; an absent scalar
 * is undefined. Fields that IR 8 does not have (sharding, overloads of later versions) are skipped. Raw data
 * is never copied.
 */
import onnxProto from 'onnx-proto';
import { checkWire, type MessageKind } from './check.ts';

// a named import type-checks and fails at run time: the package is CommonJS whose names Node does not see
const { onnx } = onnxProto;

export interface StringEntry {
  key: string;
  value: string;
}

export interface TensorProto {
  name?: string;
  dataType: number;
  dims: number[];
  /** Of a model that was opened as a file it may be fetched at every access: take it once. */
  rawData?: Uint8Array;
  floatData: number[];
  int32Data: number[];
  int64Data: bigint[];
  doubleData: number[];
  uint64Data: bigint[];
  stringData: Uint8Array[];
  externalData: StringEntry[];
  /** 1: the values are in the file that externalData names. */
  dataLocation?: number;
  docString?: string;
}

export interface SparseTensorProto {
  values?: TensorProto;
  indices?: TensorProto;
  dims: number[];
}

export interface AttributeProto {
  name: string;
  /** A value of `attributeTypes`; absent in files of before 2017. */
  type?: number;
  docString?: string;
  refAttrName?: string;
  f?: number;
  i?: number;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  tp?: TypeProto;
  sparseTensor?: SparseTensorProto;
  floats: number[];
  ints: number[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
  typeProtos: TypeProto[];
  sparseTensors: SparseTensorProto[];
}

export interface NodeProto {
  name?: string;
  opType: string;
  domain?: string;
  input: string[];
  output: string[];
  attribute: AttributeProto[];
  docString?: string;
}

export interface Dimension {
  dimValue?: number;
  dimParam?: string;
  denotation?: string;
}

export interface TypeProto {
  tensorType?: { elemType?: number; shape?: { dim: Dimension[] } };
  sparseTensorType?: { elemType?: number; shape?: { dim: Dimension[] } };
  sequenceType?: { elemType?: TypeProto };
  optionalType?: { elemType?: TypeProto };
  mapType?: { keyType?: number; valueType?: TypeProto };
  denotation?: string;
}

export interface ValueInfoProto {
  name: string;
  type?: TypeProto;
  docString?: string;
}

export interface GraphProto {
  name?: string;
  node: NodeProto[];
  initializer: TensorProto[];
  sparseInitializer: SparseTensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
  quantizationAnnotation: { tensorName?: string; quantParameterTensorNames: StringEntry[] }[];
  docString?: string;
}

export interface FunctionProto {
  name: string;
  domain?: string;
  input: string[];
  output: string[];
  attribute: string[];
  node: NodeProto[];
  opsetImport: { domain?: string; version?: number }[];
  docString?: string;
}

export interface ModelProto {
  irVersion?: number;
  opsetImport: { domain?: string; version?: number }[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: number;
  docString?: string;
  graph?: GraphProto;
  metadataProps: StringEntry[];
  functions: FunctionProto[];
}

/** Numbers of AttributeProto.type by name: FLOAT 1, INT 2, STRING 3, TENSOR 4, GRAPH 5, FLOATS 6 … */
export const attributeTypes = { ...onnx.AttributeProto.AttributeType } as unknown as Readonly<
  Record<string, number>
>;

/** A .onnx file's model. Throws an Error of one line where the bytes are anything else. */
export const decodeModel = (bytes: Uint8Array): ModelProto =>
  decode(bytes, 'model', (buffer) => onnx.ModelProto.decode(buffer)) as ModelProto;

/** A .pb file's tensor (the ONNX backend tests' input_0.pb). Throws as decodeModel does. */
export const decodeTensor = (bytes: Uint8Array): TensorProto =>
  decode(bytes, 'tensor', (buffer) => onnx.TensorProto.decode(buffer)) as TensorProto;

/** The file of a model, in one piece. For one with big initializers see write.ts, which copies nothing. */
export const encodeModel = (model: Partial<ModelProto>): Uint8Array<ArrayBuffer> =>
  onnx.ModelProto.encode(toWire(model) as object).finish() as Uint8Array<ArrayBuffer>;

export const encodeGraph = (graph: Partial<GraphProto>): Uint8Array<ArrayBuffer> =>
  onnx.GraphProto.encode(toWire(graph) as object).finish() as Uint8Array<ArrayBuffer>;

export const encodeTensor = (tensor: Partial<TensorProto>): Uint8Array<ArrayBuffer> =>
  onnx.TensorProto.encode(toWire(tensor) as object).finish() as Uint8Array<ArrayBuffer>;

/** A tensor without values; what is given in `fields` takes the place of the empty lists. */
export const tensorProto = (
  fields: Partial<TensorProto> & Pick<TensorProto, 'dims' | 'dataType'>,
): TensorProto => ({
  floatData: [],
  int32Data: [],
  int64Data: [],
  doubleData: [],
  uint64Data: [],
  stringData: [],
  externalData: [],
  ...fields,
});

/** A node that is called as its first output. */
export const nodeProto = (
  opType: string,
  input: string[],
  output: string[],
  attribute: AttributeProto[] = [],
): NodeProto => ({ name: output[0], opType, input, output, attribute });

function decode(bytes: Uint8Array, root: MessageKind, read: (b: Buffer) => unknown) {
  checkWire(bytes, root);
  try {
    return fromWire(read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  } catch (error) {
    throw new RangeError(`not a valid protobuf file: ${(error as Error).message.split('\n')[0]}`);
  }
}

// ---- onnx-proto's objects ↔ plain ones ------------------------------------------------------------------

interface LongLike {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;
}

const isLong = (value: object): value is LongLike => 'low' in value && 'high' in value && 'unsigned' in value;
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const asBigInt = ({ low, high, unsigned }: LongLike): bigint => {
  const word = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return unsigned ? word : BigInt.asIntN(64, word);
};

/** Strings that are not text keep their bytes out of the program: onnx-proto decodes them to U+FFFD. */
function fromWire(value: unknown, key = ''): unknown {
  if (!isObject(value) || value instanceof Uint8Array) return value;
  if (isLong(value)) {
    const integer = asBigInt(value);
    return key === 'int64Data' || key === 'uint64Data' ? integer : Number(integer);
  }
  if (Array.isArray(value)) return isObject(value[0]) ? value.map((item) => fromWire(item, key)) : value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fromWire(item, name)]));
}

/** The fields that are 64-bit integers on the wire. */
const wide = new Set('i ints dims dimValue int64Data uint64Data irVersion modelVersion version'.split(' '));

function toLong(value: number | bigint): LongLike {
  const integer = typeof value === 'bigint' ? value : BigInt(value);
  const clamped = integer === 1n << 63n && typeof value === 'number' ? integer - 1n : integer;
  const part = (word: bigint) => Number(BigInt.asIntN(32, word));
  return { low: part(clamped), high: part(clamped >> 32n), unsigned: false };
}

function toWire(value: unknown, key = ''): unknown {
  if ((typeof value === 'number' || typeof value === 'bigint') && wide.has(key)) return toLong(value);
  if (!isObject(value) || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) {
    return isObject(value[0]) || wide.has(key) ? value.map((item) => toWire(item, key)) : value;
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, toWire(item, name)]));
}
