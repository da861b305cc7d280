/** What an operator of the evaluator looks like, and what it sees of its node: inputs, attributes, the run. */
import type { Precision, Shape, Storage } from '../../../reference/tensor.ts';
import { isFloat } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import type { Graph, Node } from '../model.ts';
import { floats, indices, workingPrecision } from '../value.ts';

/** The node's outputs; an only one stands alone. */
export type Kernel = (call: Call) => Value | readonly (Value | undefined)[];

export type Operators = Readonly<
  Record<
    string,
    {
      /** The opset versions in which its definition changed, ascending. */
      readonly since: readonly number[];
      readonly kernel: Kernel;
      /** All attributes of any version; another one in a file is an error. */
      readonly attributes: readonly string[];
    }
  >
>;

/** `since` and `attributes` as words, so that a table of operators reads like one. */
export const operator = (since: string, kernel: Kernel, attributes = ''): Operators[string] => ({
  since: since.split(' ').map(Number),
  kernel,
  attributes: attributes.split(' ').filter((name) => name !== ''),
});

/** Operators that differ in a rule alone. */
export const operatorsOf = <Rule>(
  since: string,
  attributes: string,
  rules: Readonly<Record<string, Rule>>,
  kernelOf: (rule: Rule) => Kernel,
): Operators =>
  Object.fromEntries(
    Object.entries(rules).map(([name, rule]) => [name, operator(since, kernelOf(rule), attributes)]),
  );

type Kinds = {
  float: number;
  int: number;
  string: string;
  floats: readonly number[];
  ints: readonly number[];
  graph: Graph;
};

/** A node's attributes. One of another type throws, and so does one that is absent and has no default. */
export class Attributes {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  #read<K extends keyof Kinds>(name: string, kind: K): Kinds[K] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute && attribute.kind !== kind) {
      throw new Error(`attribute '${name}' must be of type ${kind} (= ${attribute.kind})`);
    }
    return attribute?.value as Kinds[K] | undefined;
  }

  #given<K extends keyof Kinds>(name: string, kind: K, otherwise?: Kinds[K]): Kinds[K] {
    const value = this.#read(name, kind) ?? otherwise;
    if (value === undefined) throw new Error(`attribute '${name}' is missing`);
    return value;
  }

  has(name: string): boolean {
    return this.node.attributes.has(name);
  }

  int(name: string, otherwise?: number): number {
    return this.#given(name, 'int', otherwise);
  }

  /** An int that means yes or no. */
  flag(name: string, otherwise = false): boolean {
    return this.int(name, Number(otherwise)) !== 0;
  }

  /** Defaults are float32 numbers, as a file would hold them. */
  float(name: string, otherwise?: number): number {
    return this.#given(name, 'float', otherwise === undefined ? undefined : Math.fround(otherwise));
  }

  /** One of these words; the first is the default. */
  word<Word extends string>(name: string, ...words: readonly Word[]): Word {
    const value = this.#given(name, 'string', words[0]);
    if (!words.includes(value as Word)) throw new Error(`${name} '${value}' is not known`);
    return value as Word;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#read(name, 'ints');
  }

  requiredInts(name: string): readonly number[] {
    return this.#given(name, 'ints');
  }

  graph(name: string): Graph {
    return this.#given(name, 'graph');
  }

  /** The axis that an attribute names, counted from the front. */
  axis(rank: number, otherwise?: number): number {
    return axisOf(this.int('axis', otherwise), rank);
  }
}

export interface Run {
  readonly precision: Precision;
  /** The operator's version: the highest `since` that the model's opset reaches. */
  readonly version: number;
  /** Runs a subgraph; its nodes see the values around the node. */
  readonly run: (graph: Graph, feeds: ReadonlyMap<string, Value>) => Value[];
  /** A loop that runs longer is taken for one that never ends. */
  readonly maxIterations: number;
}

/** A node with the values of its inputs. */
export class Call extends Attributes {
  readonly version: number;
  readonly precision: Precision;
  readonly run: Run['run'];
  readonly maxIterations: number;
  /** As the node has them; undefined where an optional one is not given. */
  readonly given: readonly (Value | undefined)[];

  constructor(node: Node, given: Call['given'], { version, precision, run, maxIterations }: Run) {
    super(node);
    this.given = given;
    this.version = version;
    this.precision = precision;
    this.run = run;
    this.maxIterations = maxIterations;
  }

  /** The i-th input. Throws where the node does not have it. */
  input(i: number): Value {
    const value = this.given[i];
    if (!value) throw new Error(`input ${i} is missing`);
    return value;
  }

  /** The first `count` inputs, or all of an operator that takes any number, at least one. */
  inputs(count = Math.max(this.given.length, 1)): Value[] {
    return Array.from({ length: count }, (_, i) => this.input(i));
  }

  /** Integers that were an attribute before a version and are an input since; undefined where they are absent. */
  list(name: string, i: number, inputSince: number): readonly number[] | undefined {
    if (this.version < inputSince) return this.ints(name);
    return this.given[i] && indices(this.given[i]);
  }

  /** The same where they must be there. */
  requiredList(name: string, i: number, inputSince: number): readonly number[] {
    return this.version < inputSince ? this.requiredInts(name) : indices(this.input(i));
  }

  /** A floating-point result of the type of `like`, rounded as the run wants it. Throws for another type. */
  floats(like: Value, data: Storage, shape: Shape = like.shape): Value {
    if (!isFloat(like.dtype)) throw new Error(`a floating-point value is needed (dtype = ${like.dtype})`);
    return floats(like.dtype, data, shape, this.precision);
  }

  /** What a result of the type of `like` is computed in. */
  working(like: Value): Precision {
    return workingPrecision(like.dtype, this.precision);
  }
}

/** An axis counted from the front; negative ones count from the back. */
function axisOf(axis: number, rank: number): number {
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

/** A place between the axes, from 0 to `rank`, as Flatten and Softmax before opset 13 have it. */
export const cutOf = (axis: number, rank: number): number => (axis === rank ? rank : axisOf(axis, rank));

/** Throws unless the values are of one type. */
export function checkOneType(values: readonly Value[]): void {
  const other = values.find(({ dtype }) => dtype !== values[0].dtype);
  if (other) throw new Error(`operands must have one type (= ${values[0].dtype} and ${other.dtype})`);
}
