/**
 * A model as a list of chunks: the file is never held in one piece, and weights are not copied.
 *
 * onnx-proto encodes everything but raw data; around it go the tags and lengths of ModelProto.graph (7),
 * GraphProto.initializer (5) and TensorProto.raw_data (9). With external data the big tensors lie in a second file
 * (onnx/docs/ExternalData.md), each at a multiple of 4096 bytes so that it can be mapped.
 */
import { encodeGraph, encodeModel, encodeTensor, type ModelProto, type TensorProto } from './proto.ts';
import { framed, joined, lengthOf } from './wire.ts';

export interface Chunks {
  readonly byteLength: number;
  chunks(): Iterable<Uint8Array>;
}

export interface ModelFile extends Chunks {
  readonly model: ModelProto;
  /** The second file, to be written beside the first under this name. */
  readonly external?: Chunks & { readonly location: string };
}

/** Closes a file of external data, which has no header that could name its writer. */
const DATA_END = Buffer.from('alexnet-oracle external data\n');

/** Protobuf's limit for one message. */
const MAX_BYTES = 2 ** 31 - 1;
const ALIGNMENT = 4096;
/** Smaller tensors stay in the model, where shape inference can see them. */
const MIN_EXTERNAL = 1024;

/** The file of a model; with `external` (a bare file name) its tensors of 1 KB and more go into a second one. */
export function modelFile(model: ModelProto, external?: string): ModelFile {
  if (external === undefined) return inOne(model);
  if (!/^[^/\\:\0]+$/.test(external) || external === '.' || external === '..')
    throw new RangeError(`external data: '${external}' must be a bare file name beside the model`);
  const file = dataFile(external);
  const initializer = (model.graph?.initializer ?? []).map((tensor): TensorProto => {
    const raw = tensor.rawData;
    if (!raw || raw.length < MIN_EXTERNAL) return tensor;
    return { ...tensor, rawData: undefined, ...file.place(raw) };
  });
  const data = [...file.pieces, DATA_END];
  const outside = { ...model, graph: model.graph && { ...model.graph, initializer } };
  return { ...inOne(outside), external: { location: external, ...chunksOf(data) } };
}

/** A second file that grows, each tensor at a multiple of 4096 bytes: nothing is copied. */
export function dataFile(location: string) {
  const pieces: Uint8Array[] = [];
  let end = 0;
  return {
    pieces: pieces as readonly Uint8Array[],
    /** Puts raw data there, and says where they lie in a TensorProto's words. */
    place(raw: Uint8Array): Pick<TensorProto, 'externalData' | 'dataLocation'> {
      const gap = (ALIGNMENT - (end % ALIGNMENT)) % ALIGNMENT;
      const offset = end + gap;
      pieces.push(new Uint8Array(gap), raw);
      end = offset + raw.length;
      const place = { location, offset: String(offset), length: String(raw.length) };
      return { externalData: Object.entries(place).map(([key, value]) => ({ key, value })), dataLocation: 1 };
    },
  };
}

function inOne(model: ModelProto): ModelFile {
  const { graph, ...rest } = model;
  if (!graph) throw new RangeError('a model must have a graph');
  const { initializer, ...bare } = graph;
  const inside = [encodeGraph(bare), ...initializer.flatMap(tensorChunks)];
  const file = chunksOf([encodeModel(rest), ...framed(7, inside)]);
  if (file.byteLength > MAX_BYTES)
    throw new RangeError(`a model of ${file.byteLength} bytes exceeds protobuf's 2 GB: use external data`);
  return { model, ...file };
}

/** GraphProto.initializer: a small head, then the raw data as they lie in memory. */
function tensorChunks({ rawData, ...rest }: TensorProto): Uint8Array[] {
  const head = encodeTensor(rest);
  return framed(5, rawData ? [head, ...framed(9, [rawData])] : [head]);
}

/** Small neighbours joined, so that a writer makes few system calls. */
function chunksOf(parts: readonly Uint8Array[]): Chunks {
  const chunks: Uint8Array[] = [];
  let small: Uint8Array[] = [];
  const flush = () => {
    if (small.length > 0) chunks.push(joined(small));
    small = [];
  };
  for (const part of parts) {
    if (part.length < 65536) small.push(part);
    else {
      flush();
      chunks.push(part);
    }
  }
  flush();
  return { byteLength: lengthOf(chunks), chunks: () => chunks };
}
