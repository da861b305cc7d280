/**
 * The same model with its intermediate values as further outputs, for whoever wants to see every layer.
 *
 * Works on the file's bytes: ValueInfoProtos are added at the end of the graph (GraphProto.output, field 12) and one
 * length is rewritten, so weights are copied once and fields that this program does not know are kept.
 */
import { must, mustBeObject } from '../reference/named.ts';
import { dataTypes } from './dtypes.ts';
import {
  decodeModel,
  encodeGraph,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type ValueInfoProto,
} from './proto.ts';
import { fieldAt, header, joined } from './wire.ts';
import { modelFile } from './write.ts';

/** ModelProto.graph. */
const GRAPH = 7;

const { float16, float32, float64, bfloat16 } = dataTypes;
const floats = new Set<number>([float16, float32, float64, bfloat16]);

/** Operators with outputs that are never floats, output by output; 'first' is the type of the first input. */
const integral: ReadonlyMap<string, readonly (number | 'first')[]> = new Map(
  Object.entries({
    ArgMax: [dataTypes.int64],
    ArgMin: [dataTypes.int64],
    Dropout: ['first', dataTypes.bool],
    Equal: [dataTypes.bool],
    Greater: [dataTypes.bool],
    GreaterOrEqual: [dataTypes.bool],
    IsInf: [dataTypes.bool],
    IsNaN: [dataTypes.bool],
    Less: [dataTypes.bool],
    LessOrEqual: [dataTypes.bool],
    MaxPool: ['first', dataTypes.int64],
    NonZero: [dataTypes.int64],
    Shape: [dataTypes.int64],
    Size: [dataTypes.int64],
    TopK: ['first', dataTypes.int64],
  } as const),
);

/** Types that the file itself says, then what follows from the nodes in order; undefined where nothing is known. */
function typesOf(graph: GraphProto): Map<string, number | undefined> {
  const types = new Map<string, number | undefined>();
  for (const info of [...graph.input, ...graph.valueInfo, ...graph.output]) {
    // a sequence, a map or an optional is not a tensor of floats: UNDEFINED
    if (info.type) types.set(info.name, info.type.tensorType ? info.type.tensorType.elemType : 0);
  }
  for (const tensor of graph.initializer) types.set(tensor.name ?? '', tensor.dataType);
  for (const node of graph.node) {
    for (const [index, name] of node.output.entries())
      if (!types.has(name)) types.set(name, produced(node, index, types));
  }
  return types;
}

function produced(node: NodeProto, index: number, types: ReadonlyMap<string, number | undefined>) {
  const attribute = (name: string) => node.attribute.find((a) => a.name === name);
  switch (node.opType) {
    case 'Cast':
      return attribute('to')?.i;
    case 'Constant':
      return attribute('value')?.t?.dataType ?? (attribute('value_float') ? dataTypes.float32 : undefined);
    case 'ConstantOfShape':
      return attribute('value')?.t?.dataType ?? dataTypes.float32;
    case 'RandomNormal':
    case 'RandomUniform':
      return attribute('dtype')?.i ?? dataTypes.float32;
    case 'Multinomial':
      return attribute('dtype')?.i ?? dataTypes.int32;
    case 'RandomNormalLike':
    case 'RandomUniformLike':
    case 'Bernoulli':
      return attribute('dtype')?.i ?? types.get(node.input[0]);
    case 'CastLike':
    case 'Where':
      return types.get(node.input[1]);
    case 'OneHot':
      return types.get(node.input[2]);
    case 'If':
    case 'Loop':
    case 'Scan':
      return undefined;
  }
  const known = integral.get(node.opType)?.[index] ?? 'first';
  return known === 'first' ? types.get(node.input[0]) : known;
}

/** Names of all float values that nodes of the main graph make, in order, without those that are outputs already. */
export function intermediates(graph: GraphProto): string[] {
  mustBeObject('graph', graph);
  must(Array.isArray(graph.node), 'graph: node', 'a list', graph.node);
  const types = typesOf(graph);
  const outputs = new Set(graph.output.map(({ name }) => name));
  return graph.node
    .flatMap((node) => node.output)
    .filter((name) => name !== '' && !outputs.has(name) && floats.has(types.get(name) ?? dataTypes.float32));
}

/**
 * The bytes of a model, given as a file or as an object, with `names` (default: every intermediate float value) as
 * further outputs. Where the file does not say a value's shape or type, its output has none: onnxruntime infers it.
 * Throws where no node of the main graph makes a value of that name, and as decodeModel does.
 */
export function tap(source: Uint8Array | ModelProto, names?: readonly string[]): Uint8Array<ArrayBuffer> {
  mustBeObject('model', source);
  if (names !== undefined) must(Array.isArray(names), 'names', 'a list', names);
  const model = source instanceof Uint8Array ? decodeModel(source) : source;
  if (source instanceof Uint8Array)
    return withGraphTail(source, encodeGraph({ output: furtherOutputs(model, names) }));
  return joined(modelFile(withOutputs(model, names)).chunks());
}

/** The model with what `tap` adds to its outputs. */
export function withOutputs(model: ModelProto, names?: readonly string[]): ModelProto {
  const further = furtherOutputs(model, names);
  const graph = model.graph!;
  return { ...model, graph: { ...graph, output: [...graph.output, ...further] } };
}

/** What `tap` adds to a model's outputs. */
export function furtherOutputs({ graph }: ModelProto, names?: readonly string[]): ValueInfoProto[] {
  if (!graph) throw new RangeError('tap: the file has no graph');
  const made = new Set(graph.node.flatMap((node) => node.output));
  const outputs = new Set(graph.output.map(({ name }) => name));
  for (const name of names ?? [])
    if (!made.has(name)) throw new RangeError(`tap: no node makes a value '${name}'`);
  const wanted = new Set((names ?? intermediates(graph)).filter((name) => !outputs.has(name)));
  const types = typesOf(graph);
  const infos = new Map(graph.valueInfo.map((info) => [info.name, info]));
  return [...wanted].map((name) => infos.get(name) ?? typed(name, types.get(name)));
}

const typed = (name: string, elemType: number | undefined): ValueInfoProto =>
  elemType ? { name, type: { tensorType: { elemType } } } : { name };

/** The file with `tail` appended to its graph. */
function withGraphTail(file: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let at = 0; at < file.length; ) {
    const field = fieldAt(file, at, file.length);
    if (field.number === GRAPH) {
      const { tag, start, end } = field;
      const head = header(GRAPH, end - start + tail.length);
      return joined([file.subarray(0, tag), head, file.subarray(start, end), tail, file.subarray(end)]);
    }
    at = field.end;
  }
  throw new RangeError('tap: the file has no graph');
}
