/**
 * The ONNX graph of a gradient case: inputs as the operation's, then dy; outputs dx, dw, db. ONNX has no operators for
 * gradients, so it is the graph that the training-step export writes (export/emit, `backward`), at opset 18.
 */
import { emitTrainingLayer, emitters } from '../../export/emitters.ts';
import { GraphBuilder } from '../../export/graph.ts';
import type { GraphProto } from '../../export/proto.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import type { GradientCase } from './cases.ts';

export interface GradientGraph {
  readonly graph: GraphProto;
  /** The case's inputs in the graph's order, and its expected values in that of the outputs. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Names in the graph: the layer is y, so its weights are y.weight and their gradient dy.weight. */
const inGraph: Readonly<Record<string, string>> = {
  w: 'y.weight',
  b: 'y.bias',
  mask: 'y.mask',
  dw: 'dy.weight',
  db: 'dy.bias',
};
const graphName = (name: string): string => inGraph[name] ?? name;

/** Throws where the exporter cannot write the gradient, or no float32 graph can compute it. */
export function gradientGraph(test: GradientCase): GradientGraph {
  mustBeConditioned(test);
  const { operation, attributes, inputs, expected, dy } = test;
  const names = Object.keys(inputs);
  const g = new GraphBuilder({ precision: 'float32', batch: dy.shape[0], lrn: 'decomposed' });
  for (const name of names) if (name !== 'mask') g.input(graphName(name), inputs[name].shape);
  const kernel = inputs.w?.shape.slice(2);
  const channels = inputs.w?.shape[0];
  const layer = { name: 'y', kind: operation, attributes, kernel, channels } as unknown as Layer;
  const read = names.filter((name) => /^x\d*$/.test(name));
  const linear = operation === 'conv2d' || operation === 'linear';
  const scaled = operation === 'dropout' && attributes.convention === 'paper' && !inputs.mask;
  if (!linear && !scaled) emitTrainingLayer(g, layer, read, inputs.mask !== undefined);
  g.input('dy', dy.shape);
  const dx = read.map((name) => `d${name}`);
  // at test time, which no training graph has
  if (scaled) g.node('Mul', ['dy', g.scalar('keep', 1 - attributes.ratio)], 'dx');
  // NaN lets dy through, as in the reference
  else if (operation === 'relu') {
    const zero = g.scalar('zero', 0);
    g.node('Where', [g.node('Equal', ['y', zero], 'closed'), zero, 'dy'], 'dx');
  } else emitters[layer.kind].backward(g, layer, { inputs: read, y: 'y', dy: 'dy', dx, wants: () => true });
  const outputs = Object.keys(expected);
  if (linear && expected.db && !g.has('dy.bias')) {
    const axes = operation === 'conv2d' ? [0, 2, 3] : [0];
    g.node('ReduceSum', ['dy', g.integers('dy.bias/axes', axes)], 'dy.bias', { keepdims: 0 });
  }
  for (const name of outputs) g.output(graphName(name));
  const graph = pruned(g.build(`${operation}_gradient`, test.title));
  const order = new Map([...names, 'dy'].map((name) => [graphName(name), name]));
  return { graph, inputs: graph.input.map(({ name }) => order.get(name)!), outputs };
}

/**
 * tanh′ = 1 − y², whose relative error is that of y, 2⁻²⁴, over 1 − y²: where that passes a quarter of the
 * tests' 1e-3, a right kernel could fail.
 */
function mustBeConditioned({ operation, dy, expected }: GradientCase): void {
  const saturated = dy.data.some((d, i) => {
    const slope = Math.abs(Number(expected.dx?.data[i]) / Number(d));
    return operation === 'tanh' && slope < (4 * 2 ** -24) / 1e-3;
  });
  if (saturated) throw new Error('tanh: so close to 1 that 1 − y² loses the precision of the tests');
}

/** Without the nodes, initializers and inputs that no output needs. */
function pruned(graph: GraphProto): GraphProto {
  const needed = new Set(graph.output.map(({ name }) => name));
  const node = graph.node.toReversed().filter(({ input, output }) => {
    const used = output.some((name) => needed.has(name));
    if (used) for (const name of input) needed.add(name);
    return used;
  });
  const among = ({ name = '' }: { name?: string }): boolean => needed.has(name);
  return {
    ...graph,
    node: node.reverse(),
    initializer: graph.initializer.filter(among),
    input: graph.input.filter(among),
    valueInfo: graph.valueInfo.filter(among),
  };
}
