/**
 * From the file's graph to one that can run: values decoded, nodes in order, every name with one producer.
 *
 * ONNX wants nodes sorted; some exporters do not sort, so they are sorted here. A cycle is an error.
 */

import { dataTypeName } from '../../export/dtypes.ts';
import {
  type AttributeProto,
  attributeTypes,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../export/proto.ts';
import { dtypeOfOnnx } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { widened } from '../array/value.ts';
import { Unsupported } from '../errors.ts';
import { valueOfTensor } from '../format/tensorproto.ts';
import type { Attribute, Graph, Node, ValueInfo } from './model.ts';

const decoder = new TextDecoder();

/** A tensor of the file, its halves as numbers. */
export const valueFrom = (tensor: TensorProto): Value => widened(valueOfTensor(tensor));

function infoOf({ name, type }: ValueInfoProto): ValueInfo {
  if (!name) throw new Error('an input or output has no name');
  if (
    type &&
    !type.tensorType &&
    (type.sequenceType || type.mapType || type.optionalType || type.sparseTensorType)
  ) {
    throw new Unsupported(`value '${name}': only dense tensors are supported`);
  }
  const tensor = type?.tensorType;
  const dtype = tensor?.elemType ? dtypeOfOnnx(tensor.elemType) : null;
  if (dtype === undefined) {
    throw new Unsupported(`value '${name}': elements of ${dataTypeName(tensor?.elemType)} are not supported`);
  }
  const extents = tensor?.shape?.dim.map(({ dimValue = 0, dimParam }) =>
    dimValue > 0 ? dimValue : (dimParam ?? null),
  );
  const shape = extents ?? null;
  return { name, dtype, shape };
}

function attributeOf(proto: AttributeProto, opsets: ReadonlyMap<string, number>): Attribute {
  const types = attributeTypes;
  if (!proto.name) throw new Error('an attribute has no name');
  if (proto.refAttrName) throw new Error(`attribute '${proto.name}' refers to a function's attribute`);
  switch (proto.type ?? guessType(proto)) {
    case types.FLOAT:
      return { kind: 'float', value: proto.f ?? 0 };
    case types.INT:
      return { kind: 'int', value: proto.i ?? 0 };
    case types.STRING:
      return { kind: 'string', value: decoder.decode(proto.s ?? new Uint8Array()) };
    case types.FLOATS:
      return { kind: 'floats', value: proto.floats };
    case types.INTS:
      return { kind: 'ints', value: proto.ints };
    case types.STRINGS:
      return { kind: 'strings', value: proto.strings.map((bytes) => decoder.decode(bytes)) };
    case types.TENSOR:
      if (!proto.t) throw new Error(`attribute '${proto.name}' has no tensor`);
      return { kind: 'tensor', value: valueFrom(proto.t) };
    case types.GRAPH:
      if (!proto.g) throw new Error(`attribute '${proto.name}' has no graph`);
      return { kind: 'graph', value: graphOf(proto.g, opsets) };
    default:
      throw new Unsupported(`attribute '${proto.name}': its type (${proto.type}) is not supported`);
  }
}

/** Files of before 2017 leave the type to whichever field is there. */
function guessType(proto: AttributeProto): number {
  const types = attributeTypes;
  if (proto.f !== undefined) return types.FLOAT;
  if (proto.i !== undefined) return types.INT;
  if (proto.s !== undefined) return types.STRING;
  if (proto.t) return types.TENSOR;
  if (proto.g) return types.GRAPH;
  if (proto.floats.length > 0) return types.FLOATS;
  return proto.strings.length > 0 ? types.STRINGS : types.INTS;
}

function nodeOf(proto: NodeProto, opsets: ReadonlyMap<string, number>): Node {
  const domain = proto.domain === 'ai.onnx' ? '' : (proto.domain ?? '');
  const outputs = proto.output;
  const name = proto.name || `${proto.opType} → ${outputs.find((output) => output !== '') ?? '?'}`;
  if (!proto.opType) throw new Error(`node '${name}' has no operator`);
  if (!opsets.has(domain)) {
    throw new Error(`node '${name}' (${proto.opType}): no opset is declared for '${domain || 'ai.onnx'}'`);
  }
  try {
    const attributes = new Map(proto.attribute.map((a) => [a.name, attributeOf(a, opsets)]));
    if (attributes.size !== proto.attribute.length) throw new Error('an attribute occurs twice');
    return { name, op: proto.opType, domain, inputs: proto.input, outputs, attributes };
  } catch (error) {
    const Kind = error instanceof Unsupported ? Unsupported : Error;
    throw new Kind(`node '${name}' (${proto.opType}): ${(error as Error).message}`);
  }
}

/** Throws where a name has two producers, the nodes form a cycle, or something in it is not supported. */
export function graphOf(proto: GraphProto, opsets: ReadonlyMap<string, number>): Graph {
  if (proto.sparseInitializer.length > 0) throw new Unsupported('sparse initializers are not supported');
  const initializers = new Map<string, Value>();
  for (const tensor of proto.initializer) {
    const name = tensor.name ?? '';
    if (initializers.has(name)) throw new Error(`two initializers are called '${name}'`);
    initializers.set(name, valueFrom(tensor));
  }
  const inputs = proto.input.filter(({ name }) => !initializers.has(name)).map(infoOf);
  const nodes = proto.node.map((node) => nodeOf(node, opsets));
  const given = [...inputs.map(({ name }) => name), ...initializers.keys()];
  const outputs = proto.output.map(infoOf);
  return { name: proto.name ?? '', nodes: sorted(nodes, given), initializers, inputs, outputs };
}

/** All names that a node reads, those that its subgraphs read of the graphs around them included. */
export function readNames(node: Node): Set<string> {
  const names = new Set(node.inputs.filter((name) => name !== ''));
  for (const attribute of node.attributes.values())
    if (attribute.kind === 'graph') for (const name of freeNames(attribute.value)) names.add(name);
  return names;
}

/** What a subgraph reads and does not make itself: a name of its own may be that of a value outside. */
function freeNames({ nodes, inputs, initializers, outputs }: Graph): string[] {
  const made = [...inputs.map(({ name }) => name), ...nodes.flatMap((node) => node.outputs)];
  const own = new Set([...made, ...initializers.keys()]);
  const read = [...nodes.flatMap((node) => [...readNames(node)]), ...outputs.map(({ name }) => name)];
  return read.filter((name) => !own.has(name));
}

/** The nodes in an order in which each comes after what it reads, otherwise as in the file (Kahn's algorithm). */
function sorted(nodes: readonly Node[], given: readonly string[]): Node[] {
  const producer = new Map<string, number>();
  const taken = new Set(given);
  if (taken.size !== given.length) throw new Error('an input occurs twice');
  for (const [index, node] of nodes.entries()) {
    for (const name of node.outputs) {
      if (name === '') continue;
      if (taken.has(name))
        throw new Error(`node '${node.name}': the value '${name}' has another producer already`);
      taken.add(name);
      producer.set(name, index);
    }
  }
  const readers: number[][] = nodes.map(() => []);
  const waiting = nodes.map((node, index) => {
    const before = new Set<number>();
    for (const name of readNames(node)) {
      const source = producer.get(name);
      if (source !== undefined) before.add(source);
    }
    for (const source of before) readers[source].push(index);
    return before.size;
  });
  if (waiting.every((_, i) => readers[i].every((reader) => reader > i))) return [...nodes];
  const order: Node[] = [];
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    order.push(nodes[next]);
    for (const reader of readers[next]) if (--waiting[reader] === 0) ready.push(reader);
  }
  if (order.length < nodes.length) {
    const stuck = nodes.find((_, index) => waiting[index] > 0)!;
    throw new Error(`its nodes form a cycle (node '${stuck.name}' waits for itself)`);
  }
  return order;
}

/**
 * Throws where a node or an output reads a name that nothing gives: no input, initializer, node or graph
 * around it.
 */
export function checkNames(graph: Graph, around: ReadonlySet<string> = new Set()): void {
  const known = new Set([...around, ...graph.initializers.keys(), ...graph.inputs.map(({ name }) => name)]);
  for (const node of graph.nodes) {
    const missing = node.inputs.find((name) => name !== '' && !known.has(name));
    if (missing !== undefined)
      throw new Error(`node '${node.name}': nothing produces its input '${missing}'`);
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') checkNames(attribute.value, known);
    }
    for (const name of node.outputs) known.add(name);
  }
  const missing = graph.outputs.find(({ name }) => !known.has(name));
  if (missing) throw new Error(`nothing produces the output '${missing.name}'`);
}
