/**
 * The ONNX graph of a case: the operator itself wherever ONNX can say what the case does, with every tensor a graph
 * input; else the graph that export/emit writes (groups of LRN, Caffe's rounding, within-map normalisation …).
 *
 * Of a gradient case: inputs as the operation's, then dy; outputs dx, dw, db. ONNX has no operators for gradients, so
 * it is the graph that the training-step export writes (export/emit, `backward`), at opset 18.
 */

import { dataTypes } from '../../export/dtypes.ts';
import { explicitPads, hasEmptyWindow, imagePads } from '../../export/emit/window.ts';
import { emitTrainingLayer, emitters } from '../../export/emitters.ts';
import { attributeProto, GraphBuilder } from '../../export/graph.ts';
import {
  type GraphProto,
  nodeProto,
  type TensorProto,
  tensorProto,
  type ValueInfoProto,
} from '../../export/proto.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import * as avgpool from '../../reference/ops/avgpool.ts';
import { type Shape, tensor } from '../../reference/tensor.ts';
import type { Case, GradientCase } from './cases.ts';

/** An operator, its attributes ({ float } marks those), and scalar initializers after the case's own inputs. */
interface Single {
  readonly op: string;
  readonly attributes?: Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;
  /** Default 13. */
  readonly opset?: number;
  readonly constants?: readonly TensorProto[];
}

/** The window of a pool; the shape under ceil_mode is settled since opset 22, count_include_pad with it since 19. */
const pooling = (
  op: string,
  { attributes: a }: Case,
  counted: { count_include_pad?: number } = {},
): Single => ({
  op,
  attributes: {
    kernel_shape: a.kernel,
    strides: a.stride,
    pads: a.pad,
    ...(a.rounding === 'onnx' ? { ceil_mode: 1 } : {}),
    ...counted,
  },
  opset: a.rounding === 'onnx' ? 22 : 13,
});

/** The one node that does what a case does; null where ONNX has none. */
const singles: Readonly<Record<string, (test: Case) => Single | null>> = {
  conv2d({ attributes: a, inputs }) {
    const window = { kernel_shape: inputs.w.shape.slice(2), strides: a.stride, pads: a.pad };
    return { op: 'Conv', attributes: { ...window, dilations: a.dilation, group: a.groups } };
  },
  linear: () => ({ op: 'Gemm', attributes: { transB: 1 } }),
  lrn({ attributes: { groups, size, even, divide, alpha, beta, k } }) {
    if (groups !== 1 || (size % 2 === 0 && even === 'below')) return null;
    const floats = {
      alpha: { float: divide ? alpha : alpha * size },
      beta: { float: beta },
      bias: { float: k },
    };
    return { op: 'LRN', attributes: { size, ...floats } };
  },
  maxpool: (test) => (test.attributes.rounding === 'caffe' ? null : pooling('MaxPool', test)),
  avgpool(test) {
    const { rounding, divisor } = test.attributes;
    if (rounding === 'caffe' || (rounding === 'onnx' && divisor === 'window')) return null;
    return pooling('AveragePool', test, { count_include_pad: divisor === 'valid' ? 0 : 1 });
  },
  softmax: () => ({ op: 'Softmax', attributes: { axis: 1 } }),
  concat: () => ({ op: 'Concat', attributes: { axis: 1 } }),
  // training with a given mask has no operator; with nothing to drop, or at test time, it is Dropout
  dropout({ attributes: { convention, ratio }, inputs: { mask } }) {
    if (convention !== 'inverted' || (mask && ratio > 0)) return null;
    const scalar = (name: string, dataType: number, rawData: Uint8Array) =>
      tensorProto({ name, dataType, dims: [], rawData });
    const bytes = new Uint8Array(Float32Array.of(ratio).buffer);
    const training = Uint8Array.of(Number(mask !== undefined));
    const constants = [
      scalar('ratio', dataTypes.float32, bytes),
      scalar('training', dataTypes.bool, training),
    ];
    return { op: 'Dropout', constants };
  },
  relu: () => ({ op: 'Relu' }),
  tanh: () => ({ op: 'Tanh' }),
  sigmoid: () => ({ op: 'Sigmoid' }),
};

/** Inputs that the graph takes: Dropout draws its own mask. */
const caseInputs = (test: Case): string[] =>
  Object.keys(test.inputs).filter(
    (name) => name !== 'mask' || test.attributes.convention === 'paper' || test.attributes.ratio > 0,
  );

const info = (name: string, dims: Shape): ValueInfoProto => ({
  name,
  type: {
    tensorType: { elemType: dataTypes.float32, shape: { dim: dims.map((dimValue) => ({ dimValue })) } },
  },
});

/** A graph, and which of the case's inputs and expected values its inputs and outputs are, in their order. */
interface CaseGraph {
  readonly graph: GraphProto;
  readonly opset: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Throws where ONNX cannot say what the case does. */
export function caseGraph(test: Case): CaseGraph {
  const names = caseInputs(test);
  const ends = { inputs: names, outputs: ['y'] };
  const single = singles[test.operation]?.(test);
  if (!single) return { graph: emitted(test, names), opset: 13, ...ends };
  const { op, attributes = {}, opset = 13, constants = [] } = single;
  const attribute = Object.entries(attributes).map(([name, value]) =>
    typeof value === 'object' && 'float' in value
      ? attributeProto(name, value.float, 'float')
      : attributeProto(name, value, typeof value === 'number' ? 'int' : 'ints'),
  );
  const graph: GraphProto = {
    name: test.operation,
    node: [nodeProto(op, [...names, ...constants.map(({ name = '' }) => name)], ['y'], attribute)],
    initializer: [...constants],
    sparseInitializer: [],
    input: names.map((name) => info(name, test.inputs[name].shape)),
    output: [info('y', test.expected.y.shape)],
    valueInfo: [],
    quantizationAnnotation: [],
  };
  return { graph, opset, ...ends };
}

/** Windows of the padded image, times R·S, over Caffe's own divisors: 0 and less where a window has no pixel. */
function emptyWindows(g: GraphBuilder, { inputs, attributes, expected }: Case): void {
  const { kernel, stride, pad } = attributes;
  const [H, W] = inputs.x.shape.slice(2);
  const [P, Q] = expected.y.shape.slice(2);
  const shares = new Float64Array(P * Q).map((_, i) => {
    const top = Math.floor(i / Q) * stride[0] - pad[0];
    const left = (i % Q) * stride[1] - pad[1];
    return avgpool.divisorAt(top, left, H, W, attributes) / (kernel[0] * kernel[1]);
  });
  const amounts = g.integers('pads', imagePads(explicitPads('avgpool', inputs.x.shape, attributes)));
  const padded = g.node('Pad', ['x', amounts, g.scalar('zero', 0)], 'padded', { mode: 'constant' });
  const window = { kernel_shape: kernel, strides: stride, pads: [0, 0, 0, 0], count_include_pad: 1 };
  const mean = g.node('AveragePool', [padded], 'mean', window);
  g.node('Div', [mean, g.initializer('share', tensor(shares, [1, 1, P, Q]))], 'y');
}

function emitted(test: Case, names: readonly string[]): GraphProto {
  const { operation, attributes, inputs } = test;
  const [batch] = inputs[names[0]].shape;
  const g = new GraphBuilder({ precision: 'float32', batch, lrn: 'native' });
  for (const name of names) g.input(name, inputs[name].shape);
  if (operation === 'dropout' && inputs.mask) {
    const scale = attributes.convention === 'paper' ? 1 : 1 / (1 - attributes.ratio);
    const kept = g.node('Mul', ['x', 'mask'], 'kept');
    g.node('Mul', [kept, g.scalar('scale', scale)], 'y');
  } else if (
    operation === 'avgpool' &&
    hasEmptyWindow(explicitPads('avgpool', inputs.x.shape, attributes), attributes)
  ) {
    emptyWindows(g, test);
  } else {
    const layer = { name: 'y', kind: operation, attributes } as Layer;
    emitters[layer.kind].emit(g, layer, names, new Map());
  }
  g.output('y');
  return g.build(operation, test.title);
}

// ---- gradients

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
export function gradientGraph(test: GradientCase): CaseGraph {
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
  return { graph, opset: 18, inputs: graph.input.map(({ name }) => order.get(name)!), outputs };
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
