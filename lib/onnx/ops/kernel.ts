/** What an operator of the evaluator looks like, and how it reads its attributes. */
import type { Precision } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import type { Graph, Node } from '../model.ts';

export interface Context {
  readonly precision: Precision;
  /** The operator's version: the highest `since` that the model's opset reaches. */
  readonly version: number;
  readonly node: Node;
  /** Runs a subgraph; its nodes see the values around the node. */
  readonly run: (graph: Graph, feeds: ReadonlyMap<string, Value>) => Value[];
  /** A loop that runs longer is taken for one that never ends. */
  readonly maxIterations: number;
}

export type Inputs = readonly (Value | undefined)[];
export type Kernel = (inputs: Inputs, context: Context) => (Value | undefined)[];

export interface Operator {
  /** The opset versions in which its definition changed, ascending. */
  readonly since: readonly number[];
  readonly kernel: Kernel;
  /** All attributes of any version; another one in a file is an error. */
  readonly attributes: readonly string[];
}

export type Operators = Readonly<Record<string, Operator>>;

/** `since` and `attributes` as words, so that a table of operators reads like one. */
export const operator = (since: string, kernel: Kernel, attributes = ''): Operator => ({
  since: since.split(' ').map(Number),
  kernel,
  attributes: attributes.split(' ').filter((name) => name !== ''),
});

/** The i-th input. Throws where the node does not have it. */
export function required(inputs: Inputs, i: number): Value {
  const value = inputs[i];
  if (!value) throw new Error(`input ${i} is missing`);
  return value;
}

/** All inputs of an operator that takes any number, at least one. */
export function variadic(inputs: Inputs): Value[] {
  required(inputs, 0);
  return inputs.map((_, i) => required(inputs, i));
}

type Kinds = {
  float: number;
  int: number;
  string: string;
  floats: readonly number[];
  ints: readonly number[];
};

function read<K extends keyof Kinds>(node: Node, name: string, kind: K): Kinds[K] | undefined {
  const attribute = node.attributes.get(name);
  if (!attribute) return undefined;
  if (attribute.kind !== kind) {
    throw new Error(`attribute '${name}' must be of type ${kind} (= ${attribute.kind})`);
  }
  return attribute.value as Kinds[K];
}

export const int = (node: Node, name: string, otherwise: number): number =>
  read(node, name, 'int') ?? otherwise;

/** Defaults are float32 numbers, as a file would hold them. */
export const float = (node: Node, name: string, otherwise: number): number =>
  read(node, name, 'float') ?? Math.fround(otherwise);

export const text = (node: Node, name: string, otherwise: string): string =>
  read(node, name, 'string') ?? otherwise;

export const ints = (node: Node, name: string): readonly number[] | undefined => read(node, name, 'ints');

/** An int attribute without a default. */
export function requiredInt(node: Node, name: string): number {
  const value = read(node, name, 'int');
  if (value === undefined) throw new Error(`attribute '${name}' is missing`);
  return value;
}

export function requiredInts(node: Node, name: string): readonly number[] {
  const value = ints(node, name);
  if (value === undefined) throw new Error(`attribute '${name}' is missing`);
  return value;
}

/** An axis counted from the front; negative ones count from the back. */
export function axisOf(axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= Math.max(rank, 1)) {
    throw new Error(`axis ${axis} is outside the ${rank} dimensions`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Distinct axes counted from the front. */
export function axesOf(axes: readonly number[], rank: number): number[] {
  const result = axes.map((axis) => axisOf(axis, rank));
  if (new Set(result).size !== result.length) throw new Error(`an axis occurs twice (axes = [${axes}])`);
  return result;
}
