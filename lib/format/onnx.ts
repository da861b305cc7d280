/**
 * ONNX files, read once for everyone: what the evaluator runs, the verifier matches and `--weights` takes.
 *
 * onnx-proto decodes a model without its big tensors. Their numbers stay in the file, and `rawData` of such a tensor
 * fetches them: 244 MB of weights are never held twice. The same goes for external data (onnx/docs/ExternalData.md),
 * which lie in files beside the model.
 */
import {
  decodeModel,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '../../export/proto.ts';
import {
  type Field,
  fields,
  fieldsOf,
  framed,
  header,
  joined,
  lengthOf,
  unpackVarints,
} from '../../export/wire.ts';
import { bytesOf } from '../array/dtype.ts';
import type { LazyValue, NumericValue } from '../array/value.ts';
import { about, bad, type Source } from './source.ts';
import { adviceFor, LFS_POINTER } from './strangers.ts';
import { fromLatin1 } from './strings.ts';
import { bytesOfTensor, dtypeOfTensor, EXTERNAL, titleOfTensor, valueOfTensor } from './tensorproto.ts';

/** Protobuf's own limit for one message. */
const MAX_FILE = 2 ** 31 - 1;
/** ModelProto.graph and GraphProto.initializer. */
const GRAPH = 7;
const INITIALIZER = 5;
/** TensorProto: float_data, double_data and raw_data hold numbers as they are, the others one varint each. */
const AS_THEY_ARE = [4, 10, 9];
const AS_VARINTS = [5, 7, 11];
/** Smaller tensors are decoded with the model. */
const SMALL = 4096;

/**
 * The model, the numbers of big initialisers and of external ones still in the files: good until `source` is closed.
 * Throws an Error of one line where it is damaged or external data are not there.
 */
export function openModel(source: Source): ModelProto {
  if (source.size === 0) throw new Error('the file is empty');
  const start = fromLatin1(source.read(0, Math.min(source.size, LFS_POINTER.length)));
  if (start === LFS_POINTER) throw new Error(adviceFor(start));
  if (source.size > MAX_FILE) {
    throw new Error(`${source.size} bytes are too many: save the weights as external data`);
  }
  const pieces: Uint8Array[] = [];
  const left: (Field | null)[] = [];
  for (const field of fields(source)) {
    if (field.number === GRAPH && field.wire === 2)
      pieces.push(...framed(GRAPH, lighten(source, field, left)));
    else pieces.push(source.read(field.tag, field.end - field.tag));
  }
  const model = decodeModel(joined(pieces));
  for (const [index, tensor] of (model.graph?.initializer ?? []).entries()) {
    const numbers = left[index];
    if (numbers) fetchAs(tensor, () => numbersOf(source, tensor, numbers));
  }
  for (const tensor of allTensors(model)) if (tensor.dataLocation === EXTERNAL) openExternal(source, tensor);
  return model;
}

const fetchAs = (tensor: TensorProto, get: () => Uint8Array | undefined): void =>
  void Object.defineProperty(tensor, 'rawData', { get, enumerable: true, configurable: true });

/**
 * A graph's bytes without the numbers of its big initialisers; where those lie is added to `left`, one per tensor.
 */
function lighten(source: Source, graph: Field, left: (Field | null)[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let from = graph.start;
  for (const field of fieldsOf(source, graph)) {
    if (field.number !== INITIALIZER || field.wire !== 2) continue;
    const numbers = field.end - field.start < SMALL ? null : bigField(source, field);
    left.push(numbers);
    if (!numbers) continue;
    const before = source.read(field.start, numbers.tag - field.start);
    const after = source.read(numbers.end, field.end - numbers.end);
    pieces.push(source.read(from, field.tag - from));
    pieces.push(header(INITIALIZER, before.length + after.length), before, after);
    from = field.end;
  }
  pieces.push(source.read(from, graph.end - from));
  return lengthOf(pieces) > 0 ? pieces : [];
}

/** The field in which all numbers of a tensor lie, if it is one. */
function bigField(source: Source, tensor: Field): Field | null {
  let found: Field | null = null;
  for (const field of fieldsOf(source, tensor)) {
    const holds = field.wire === 2 && [...AS_THEY_ARE, ...AS_VARINTS].includes(field.number);
    if (!holds || field.end - field.start < SMALL / 2) continue;
    if (found) return null;
    found = field;
  }
  return found;
}

/** Those numbers as raw data; none where the field is not the one for the tensor's type. */
function numbersOf(
  source: Source,
  tensor: TensorProto,
  { number, start, end }: Field,
): Uint8Array | undefined {
  const dtype = dtypeOfTensor(tensor);
  if (dtype === 'string') return undefined;
  const lists = { float32: 4, float64: 10, int64: 7, uint32: 11, uint64: 11 } as { [dtype: string]: number };
  if (number !== 9 && number !== (lists[dtype] ?? 5)) return undefined;
  const bytes = source.read(start, end - start);
  return AS_VARINTS.includes(number) ? unpackVarints(bytes, bytesOf(dtype)) : bytes;
}

// ---- external data --------------------------------------------------------------------------------------

function* allTensors({ graph, functions }: ModelProto): Iterable<TensorProto> {
  if (graph) yield* tensorsOfGraph(graph);
  for (const { node } of functions) yield* tensorsOfNodes(node);
}

function* tensorsOfGraph(graph: GraphProto): Iterable<TensorProto> {
  yield* graph.initializer;
  yield* tensorsOfNodes(graph.node);
}

function* tensorsOfNodes(nodes: readonly NodeProto[]): Iterable<TensorProto> {
  for (const { t, tensors, g, graphs } of nodes.flatMap(({ attribute }) => attribute)) {
    if (t) yield t;
    yield* tensors;
    if (g) yield* tensorsOfGraph(g);
    for (const inner of graphs) yield* tensorsOfGraph(inner);
  }
}

/** Checks that the numbers of an external tensor are all there, and lets `rawData` fetch them. */
function openExternal(source: Source, tensor: TensorProto): void {
  const { beside } = source;
  if (!beside) throw new Error('its weights are in external files, which a model without a path cannot have');
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const title = `external data of ${titleOfTensor(tensor)}`;
  const location = entries.get('location');
  if (!location) throw new Error(`${title}: the location is missing`);
  const bytes = bytesOfTensor(tensor);
  const offset = wholeNumber(entries.get('offset') ?? '0', `${title}: offset`);
  const length = wholeNumber(entries.get('length') ?? `${bytes}`, `${title}: length`);
  if (length !== bytes) {
    throw new Error(`${title}: shape [${tensor.dims}] needs ${bytes} bytes (length = ${length})`);
  }
  const within = <T>(use: (file: Source) => T): T => {
    let file: Source | undefined;
    try {
      file = beside(location);
      return use(file);
    } catch (error) {
      throw new Error(`${title}: ${(error as Error).message}`);
    } finally {
      file?.close();
    }
  };
  within(({ size }) => {
    if (offset + length > size)
      throw new Error(`${location} ends at byte ${size}, before ${offset + length}`);
  });
  tensor.dataLocation = undefined;
  fetchAs(tensor, () => within((file) => file.read(offset, length)));
}

function wholeNumber(word: string, title: string): number {
  const value = /^\d{1,16}$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`${title} must be a number of bytes (= '${word.slice(0, 40)}')`);
}

// ---- as a file of tensors ----------------------------------------------------------------------------------------

/** The initializers, unread, and what the file says about itself. Throws InputError. */
export function openOnnx(source: Source) {
  const { graph, metadataProps } = about(source.name, () => openModel(source));
  const tensors = new Map<string, LazyValue>();
  for (const tensor of graph?.initializer ?? []) {
    const name = tensor.name ?? '';
    if (tensors.has(name)) throw bad(source, `two initialisers are called '${name}'`);
    const dtype = about(source.name, () => dtypeOfTensor(tensor));
    if (dtype === 'string') continue;
    const read = () => about(source.name, () => valueOfTensor(tensor) as NumericValue);
    tensors.set(name, { dtype, shape: tensor.dims, read });
  }
  return { tensors, metadata: new Map(metadataProps.map(({ key, value }) => [key, value])) };
}
