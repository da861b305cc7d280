/**
 * Many steps in one call: a step's graph as the body of ONNX's Loop. Parameters and velocities are carried from one
 * iteration to the next inside the engine, so that they are copied once per call and not once per step (measured
 * on CPU and by design on CUDA; WebGPU has no Loop kernel and copies: use single steps there).
 *
 * Inputs   as the step's, with a leading axis of K for what changes from step to step (input, labels, masks,
 *          learningRate …); states and frozen parameters as they are.
 * Outputs  <state>.next after the last step; loss, wrong1, wrong5 of every step (K).
 *
 * ONNX wants names that differ between a graph and its body, so the body's are called 'step/…'.
 */

import { dataTypes } from './dtypes.ts';
import { attributeProto, int64Bytes } from './graph.ts';
import {
  attributeTypes,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  nodeProto,
  type TypeProto,
  tensorProto,
  type ValueInfoProto,
} from './proto.ts';

const PREFIX = 'step/';

/** K, or 'dynamic' for a dimension called K. */
export type Steps = number | 'dynamic';

/**
 * A model of K steps from the model of one, for a fixed K or ('dynamic') as many as the first axis of the inputs has;
 * `repeated` are the step's inputs that change from step to step. Throws unless K is a positive integer.
 */
export function loopOf(step: ModelProto, steps: Steps, repeated: ReadonlySet<string>): ModelProto {
  if (steps !== 'dynamic' && !(Number.isSafeInteger(steps) && steps > 0))
    throw new RangeError(`steps must be a positive integer or 'dynamic' (= ${steps})`);
  const graph = step.graph!;
  const made = new Set(graph.output.map(({ name }) => name));
  const carried = graph.input.filter(({ name }) => made.has(`${name}.next`));
  const nextNames = carried.map(({ name }) => `${name}.next`);
  const next = nextNames.map((name) => graph.output.find((output) => output.name === name)!);
  const results = graph.output.filter((output) => !next.includes(output));
  const outputs = [...next, ...results];
  const body = bodyOf(graph, carried, outputs, repeated);
  const input = ['steps/count', '', ...carried.map(({ name }) => name)];
  const attribute = {
    ...attributeProto('body', 0, 'int'),
    type: attributeTypes.GRAPH,
    i: undefined,
    g: body,
  };
  const names = outputs.map(({ name }) => name);
  const loop = { ...nodeProto('Loop', input, names, [attribute]), name: 'steps' };
  const count = countOf(steps, [...repeated][0]);
  const outer: GraphProto = {
    ...graph,
    name: `${graph.name}_loop`,
    ...count,
    node: [...count.node, loop],
    input: graph.input.map((input) => (repeated.has(input.name) ? stacked(input, steps) : input)),
    output: [...next, ...results.map((result) => stacked(result, steps))],
    valueInfo: [],
  };
  return { ...step, graph: outer };
}

/** The value 'steps/count': a constant, or the first dimension of one of the repeated inputs. */
function countOf(steps: Steps, repeated: string): Pick<GraphProto, 'node' | 'initializer'> {
  const integer = (name: string, value: number) =>
    tensorProto({ name, dataType: dataTypes.int64, dims: [], rawData: int64Bytes(value) });
  if (steps !== 'dynamic') return { node: [], initializer: [integer('steps/count', steps)] };
  return {
    node: [
      nodeProto('Shape', [repeated], ['steps/shape']),
      gather('steps/shape', 'steps/zero', 'steps/count'),
    ],
    initializer: [integer('steps/zero', 0)],
  };
}

const gather = (x: string, index: string, output: string): NodeProto =>
  nodeProto('Gather', [x, index], [output], [attributeProto('axis', 0, 'int')]);

/**
 * The step's graph under prefixed names: repeated inputs become a Gather each, frozen parameters come from
 * outside.
 */
function bodyOf(
  graph: GraphProto,
  carried: readonly ValueInfoProto[],
  outputs: readonly ValueInfoProto[],
  repeated: ReadonlySet<string>,
): GraphProto {
  const frozen = graph.input.filter((input) => !carried.includes(input) && !repeated.has(input.name));
  const outside = new Set(frozen.map(({ name }) => name));
  const inner = (name: string) => (name === '' || outside.has(name) ? name : PREFIX + name);
  const renamed = (value: ValueInfoProto): ValueInfoProto => ({ ...value, name: inner(value.name) });
  const scalar = (name: string, elemType: number): ValueInfoProto => ({
    name,
    type: { tensorType: { elemType, shape: { dim: [] } } },
  });
  const iteration = `${PREFIX}iteration`;
  const condition = `${PREFIX}condition`;
  const gathers = [...repeated].map((name) => gather(name, iteration, inner(name)));
  const carryOn = nodeProto('Identity', [condition], [`${condition}.next`]);
  return {
    ...graph,
    node: [carryOn, ...gathers, ...graph.node.map((node) => renamedNode(node, inner))],
    initializer: graph.initializer.map((tensor) => ({ ...tensor, name: inner(tensor.name!) })),
    input: [scalar(iteration, dataTypes.int64), scalar(condition, dataTypes.bool), ...carried.map(renamed)],
    output: [scalar(`${condition}.next`, dataTypes.bool), ...outputs.map(renamed)],
    valueInfo: [
      ...graph.valueInfo.map(renamed),
      ...graph.input.filter(({ name }) => repeated.has(name)).map(renamed),
    ],
  };
}

const renamedNode = (node: NodeProto, inner: (name: string) => string): NodeProto => ({
  ...node,
  name: inner(node.name ?? ''),
  input: node.input.map(inner),
  output: node.output.map(inner),
});

/** The same value K times, along a new first axis. */
function stacked(value: ValueInfoProto, K: Steps): ValueInfoProto {
  const { elemType, shape } = value.type!.tensorType!;
  const first = K === 'dynamic' ? { dimParam: 'K' } : { dimValue: K };
  const type: TypeProto = { tensorType: { elemType, shape: { dim: [first, ...shape!.dim] } } };
  return { ...value, type };
}
