/**
 * An ONNX node as a layer of reference/networks, where it is one: for error bounds and hypotheses, which
 * speak of layers.
 *
 * Covered, in float32 and float16: Conv, MaxPool, AveragePool and LRN of (N,C,H,W) without dilated pooling; Gemm as a
 * fully connected layer (α = β = 1, A not transposed, C one value a neuron); Softmax over the last of two
 * axes; Relu, Tanh, Sigmoid.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';
import type { Model, Node } from './model.ts';
import { conv2dAttributes } from './ops/conv.ts';
import { transposed } from './ops/gemm.ts';
import { Attributes } from './ops/kernel.ts';
import { lrnAttributes } from './ops/normalisation.ts';
import { poolOf } from './ops/pooling.ts';
import { geometry } from './ops/spatial.ts';
import { findOperator } from './registry.ts';
import { asTensor, floatData } from './value.ts';

interface NodeLayer {
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
  if (inputs.some((value) => value && value.dtype !== 'float32' && value.dtype !== 'float16')) return null;
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
      const pool = x.shape.length === 4 ? poolOf(x, a) : null;
      if (!pool?.inReference) return null;
      if (node.op === 'MaxPool') return plain({ name, kind: 'maxpool', attributes: pool.window });
      const divisor = a.flag('count_include_pad') ? 'caffe' : 'valid';
      return plain({ name, kind: 'avgpool', attributes: { ...pool.window, divisor } });
    }
    case 'Conv': {
      const [, w, b] = inputs;
      if (!w || x.shape.length !== 4 || w.shape.length !== 4) return null;
      const [channels, , R, S] = w.shape;
      const attributes = conv2dAttributes(geometry(a, x.shape.slice(2), [R, S]), a.int('group', 1));
      const layer: Layer = { name, kind: 'conv2d', channels, kernel: [R, S], attributes };
      return { layer, inputs: [asTensor(x)], weights: weightsOf(name, asTensor(w), b) };
    }
    case 'Gemm':
      return linear(name, a, inputs);
    default:
      return null;
  }
}

function linear(name: string, attrs: Attributes, inputs: readonly (Value | undefined)[]): NodeLayer | null {
  const [a, b, c] = inputs;
  if (!a || !b || a.shape.length !== 2 || b.shape.length !== 2) return null;
  if (attrs.flag('transA') || attrs.float('alpha', 1) !== 1 || attrs.float('beta', 1) !== 1) return null;
  const byNeuron = attrs.flag('transB');
  const [O, I] = byNeuron ? b.shape : [b.shape[1], b.shape[0]];
  if (c && (c.data.length !== O || c.shape.at(-1) !== O)) return null;
  const weight = byNeuron ? asTensor(b) : tensor(transposed(floatData(b), I, O), [O, I]);
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
