/**
 * Evaluates an ONNX model with the reference operations, in float64 or with float32 storage.
 *
 * AlexNet's operators are reference/ops'; the rest are in ops/. Errors of a node name file, node, operator and opset.
 */
import type { Precision } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { budget, type Limits, withBudget } from './budget.ts';
import { type Graph, type Model, type Node, refusal, type ValueInfo } from './model.ts';
import { Call } from './ops/kernel.ts';
import { findOperator, refuseUnsupported, titleOf } from './registry.ts';

export interface GraphRunOptions extends Limits {
  /** Rounding after each node to the declared type ('float32', what an engine stores; default) or none ('float64'). */
  readonly precision?: Precision;
  /** Iterations after which a Loop is taken for one that never ends (100,000). */
  readonly maxIterations?: number;
  /** Nodes of the main graph that draw numbers run, on numbers that no other engine draws; else they are refused. */
  readonly drawing?: boolean;
  /** Called with every node of the main graph and its outputs, by name. */
  readonly trace?: (node: Node, outputs: ReadonlyMap<string, Value>) => void;
}

/** Values by name. */
export type Values = Pick<ReadonlyMap<string, Value>, 'get'>;

type Feeds = ReadonlyMap<string, Value>;

/** Subgraphs in subgraphs; the file format allows no deeper ones either. */
const MAX_DEPTH = 64;
const MAX_ITERATIONS = 100_000;

/**
 * The graph's outputs by name. `feeds` are its inputs by name. InputError: an operator that is not supported,
 * feeds that do not fit, a node that fails.
 */
export function evaluateGraph(model: Model, feeds: Feeds, options: GraphRunOptions = {}): Map<string, Value> {
  refuseUnsupported(model, options.drawing);
  checkFeeds(model, feeds);
  const { precision = 'float32', maxIterations = MAX_ITERATIONS, trace } = options;
  const { outputs } = model.graph;
  const scope: Scope = { model, precision, maxIterations, around: () => undefined, depth: 0 };
  const results = withBudget(options, () => runGraph(model.graph, scope, feeds, trace));
  return new Map(outputs.map(({ name }, i) => [name, results[i]]));
}

/**
 * Runs one node alone on values by name (its inputs, and what its subgraphs read). Gives its outputs by name.
 * InputError as evaluate.
 */
export function evaluateNode(
  model: Model,
  node: Node,
  values: Values,
  precision: Precision = 'float32',
): Map<string, Value> {
  const scope: Scope = { model, precision, maxIterations: MAX_ITERATIONS, around: () => undefined, depth: 0 };
  return withBudget({}, () => runNode(node, scope, (name) => values.get(name)));
}

type Lookup = (name: string) => Value | undefined;

interface Scope {
  readonly model: Model;
  readonly precision: Precision;
  readonly maxIterations: number;
  /** What a subgraph sees of the graphs around it. */
  readonly around: Lookup;
  readonly depth: number;
}

/** Declared types and extents against what is fed; a free extent (none, a name, 0, −1) takes any. */
function checkFeeds({ name: file, graph }: Model, feeds: Feeds): void {
  const known = graph.inputs.map(({ name }) => name);
  for (const name of feeds.keys()) {
    if (!known.includes(name) && !graph.initializers.has(name)) {
      throw refusal(file, `there is no input '${name}' (there are: ${known.join(', ')})`);
    }
  }
  for (const info of graph.inputs) {
    const value = feeds.get(info.name);
    if (!value) throw refusal(file, `the input '${info.name}' ${describe(info)} is missing`);
    const fits =
      !info.shape ||
      (info.shape.length === value.shape.length &&
        info.shape.every(
          (extent, i) => typeof extent !== 'number' || extent <= 0 || extent === value.shape[i],
        ));
    if (!fits || (info.dtype && info.dtype !== value.dtype)) {
      const given = describe({ name: '', dtype: value.dtype, shape: value.shape });
      throw refusal(file, `the input '${info.name}' must be ${describe(info)} (given: ${given})`);
    }
  }
}

const describe = ({ dtype, shape }: ValueInfo): string =>
  `${dtype ?? 'any type'} [${shape ? shape.map((extent) => extent ?? '?').join(',') : '…'}]`;

function runGraph(graph: Graph, scope: Scope, feeds: Feeds, trace?: GraphRunOptions['trace']): Value[] {
  if (scope.depth > MAX_DEPTH) throw new Error(`subgraphs are nested deeper than ${MAX_DEPTH}`);
  const values = new Map(feeds);
  const find: Lookup = (name) => values.get(name) ?? graph.initializers.get(name) ?? scope.around(name);
  // whoever traces may keep what is shown
  const last = scope.depth === 0 && !trace ? lastReaders(graph) : null;
  const before = budget().held;
  const bytes = new Map<string, number>();
  for (const [index, node] of graph.nodes.entries()) {
    const outputs = runNode(node, scope, find);
    for (const [name, value] of outputs) {
      bytes.set(name, budget().hold(value));
      values.set(name, value);
    }
    trace?.(node, outputs);
    for (const name of last?.[index] ?? []) {
      values.delete(name);
      budget().held -= bytes.get(name) ?? 0;
    }
  }
  budget().held = before;
  return graph.outputs.map(({ name }) => required(find, name));
}

/** For each node the values that no later node and no output reads. */
function lastReaders(graph: Graph): string[][] {
  const last = new Map<string, number>();
  for (const [index, node] of graph.nodes.entries()) {
    const subgraphs = [...node.attributes.values()].some(({ kind }) => kind === 'graph');
    // a subgraph may read anything: what is there when it runs stays
    if (subgraphs) for (const name of last.keys()) last.set(name, graph.nodes.length);
    for (const name of [...node.inputs, ...node.outputs]) {
      if (last.get(name) !== graph.nodes.length) last.set(name, index);
    }
  }
  const kept = new Set(graph.outputs.map(({ name }) => name));
  const result: string[][] = graph.nodes.map(() => []);
  for (const [name, index] of last) if (index < result.length && !kept.has(name)) result[index].push(name);
  return result;
}

function required(find: Lookup, name: string): Value {
  const value = find(name);
  if (!value) throw new Error(`nothing produces the value '${name}'`);
  return value;
}

function runNode(node: Node, scope: Scope, find: Lookup): Map<string, Value> {
  const { model, precision, depth } = scope;
  const opset = model.opsets.get(node.domain);
  const found = opset === undefined ? null : findOperator(node.domain, node.op, opset);
  const { held } = budget();
  try {
    budget().step();
    if (!found) throw new Error('the operator is not supported here');
    const inputs = node.inputs.map((name) => (name === '' ? undefined : required(find, name)));
    const call = new Call(node, inputs, {
      precision,
      maxIterations: scope.maxIterations,
      version: found.version,
      run: (graph, feeds) => runGraph(graph, { ...scope, around: find, depth: depth + 1 }, feeds),
    });
    const results = [found.operator.kernel(call)].flat();
    budget().held = held;
    const outputs = new Map<string, Value>();
    for (const [i, name] of node.outputs.entries()) {
      if (name === '') continue;
      const value = results[i];
      if (!value) throw new Error(`it has no output ${i}`);
      outputs.set(name, value);
    }
    return outputs;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw refusal(model.name, `${titleOf(node, opset)}: ${(error as Error).message}`);
  }
}
