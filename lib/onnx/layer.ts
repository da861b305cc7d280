/**
 * An ONNX node as a layer of reference/networks, where it is one: for error bounds and hypotheses, which
 * speak of layers.
 *
 * Covered, in float32: Conv, MaxPool, AveragePool and LRN of (N,C,H,W) without dilated pooling; Gemm as a
 * fully connected layer (α = β = 1, A not transposed, C one value a neuron); Softmax over the last of two
 * axes; Relu, Tanh, Sigmoid.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import type { Model, Node } from './model.ts';
import { Attributes } from './ops/kernel.ts';
import { lrnAttributes } from './ops/normalisation.ts';
import { type Geometry, geometry } from './ops/spatial.ts';
import { findOperator } from './registry.ts';
import { asTensor, floatData } from './value.ts';

export interface NodeLayer {
  readonly layer: Layer;
  readonly inputs: readonly Tensor[];
  /** '<layer>.weight' and '<layer>.bias' in this project's layout. */
  readonly weights: Weights;
}

/** The layer that a node computes from these inputs; null where it is none of those above. */
export function layerOf(model: Model, node: Node, inputs: readonly (Value | undefined)[]): NodeLayer | null {
  const version = findOperator(node.domain, node.op, model.opsets.get(node.domain) ?? 0)?.version;
  const [x] = inputs;
  if (node.domain !== '' || version === undefined || !x) return null;
  if (inputs.some((value) => value && value.dtype !== 'float32')) return null;
  const name = node.outputs[0];
  const a = new Attributes(node);
  const plain = (layer: Layer): NodeLayer => ({ layer, inputs: [asTensor(x)], weights: new Map() });
  switch (node.op) {
    case 'Relu':
      return plain({ name, kind: 'relu' });
    case 'Tanh':
      return plain({ name, kind: 'tanh' });
    case 'Sigmoid':
      return plain({ name, kind: 'sigmoid' });
    case 'Softmax': {
      const axis = a.int('axis', version < 13 ? 1 : -1);
      return x.shape.length === 2 && (axis === 1 || axis === -1) ? plain({ name, kind: 'softmax' }) : null;
    }
    case 'LRN':
      return x.shape.length === 4 ? plain({ name, kind: 'lrn', attributes: lrnAttributes(a) }) : null;
    case 'MaxPool':
    case 'AveragePool': {
      const layer = pool(name, a, x);
      return layer && plain(layer);
    }
    case 'Conv':
      return convolution(name, a, inputs);
    case 'Gemm':
      return linear(name, a, inputs);
    default:
      return null;
  }
}

type Pair = readonly [number, number];
const pair = ([a, b]: readonly number[]): Pair => [a, b];
const padOf = ({ begin, end }: Geometry): readonly [number, number, number, number] => [
  begin[0],
  begin[1],
  end[0],
  end[1],
];

function pool(name: string, attrs: Attributes, x: Value): Layer | null {
  if (x.shape.length !== 4) return null;
  const g = geometry(attrs, x.shape.slice(2), attrs.requiredInts('kernel_shape'));
  if (g.dilations.some((d) => d !== 1) || padOf(g).some((p, i) => p >= g.kernel[i % 2])) return null;
  const rounding = attrs.flag('ceil_mode') ? 'onnx' : 'floor';
  const window = { kernel: pair(g.kernel), stride: pair(g.strides), pad: padOf(g), rounding } as const;
  if (attrs.node.op === 'MaxPool') return { name, kind: 'maxpool', attributes: window };
  const divisor = attrs.flag('count_include_pad') ? 'caffe' : 'valid';
  return { name, kind: 'avgpool', attributes: { ...window, divisor } };
}

function convolution(
  name: string,
  attrs: Attributes,
  inputs: readonly (Value | undefined)[],
): NodeLayer | null {
  const [x, w, b] = inputs;
  if (!x || !w || x.shape.length !== 4 || w.shape.length !== 4) return null;
  const g = geometry(attrs, x.shape.slice(2), w.shape.slice(2));
  const attributes = {
    stride: pair(g.strides),
    pad: padOf(g),
    dilation: pair(g.dilations),
    groups: attrs.int('group', 1),
  };
  const layer: Layer = { name, kind: 'conv2d', channels: w.shape[0], kernel: pair(g.kernel), attributes };
  return { layer, inputs: [asTensor(x)], weights: weightsOf(name, asTensor(w), b) };
}

function linear(name: string, attrs: Attributes, inputs: readonly (Value | undefined)[]): NodeLayer | null {
  const [a, b, c] = inputs;
  if (!a || !b || a.shape.length !== 2 || b.shape.length !== 2) return null;
  if (attrs.flag('transA') || attrs.float('alpha', 1) !== 1 || attrs.float('beta', 1) !== 1) return null;
  const transposed = attrs.flag('transB');
  const [O, I] = transposed ? b.shape : [b.shape[1], b.shape[0]];
  if (c && (c.data.length !== O || c.shape.at(-1) !== O)) return null;
  const B = floatData(b);
  const weight = transposed
    ? asTensor(b)
    : tensor(
        Float32Array.from(B, (_, at) => B[(at % I) * O + Math.floor(at / I)]),
        [O, I],
      );
  return {
    layer: { name, kind: 'linear', channels: O },
    inputs: [asTensor(a)],
    weights: weightsOf(name, weight, c),
  };
}

function weightsOf(name: string, weight: Tensor, bias: Value | undefined): Weights {
  const weights = new Map([[`${name}.weight`, weight]]);
  if (bias) weights.set(`${name}.bias`, asTensor(bias, [bias.data.length]));
  return weights;
}
