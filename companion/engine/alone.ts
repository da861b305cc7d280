/**
 * One value by itself: the smallest layer that computes it. The oracle runs that layer once more, unrounded, and the
 * verifier says how far a right float32 kernel may be from it.
 */
import { classes } from '../../lib/bounds/arithmetic.ts';
import { judgedOutput } from '../../lib/bounds/operations.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { windowOf } from '../../reference/ops/lrn.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { type Sum, sumOf } from './products.ts';

/** A layer with so little to read that one of its outputs is the value that is asked for. */
interface Alone {
  readonly layer: Layer;
  readonly inputs: readonly Tensor[];
  readonly weights: Weights;
  /** Which of its outputs. */
  readonly at: number;
}

export interface Judgement {
  /** Unrounded, from the float32 inputs. */
  readonly exact: number;
  /** |y − exact| is at most this in any right float32 kernel. */
  readonly bound: number;
}

/** What value `index` of a layer should be. `inputs` are batches of one. */
export function judge(
  layer: Layer,
  inputs: readonly Tensor[],
  weights: Weights,
  index: number,
  y: Tensor,
): Judgement {
  const alone = isolate(layer, inputs, weights, index, y);
  const operands = classes.float32;
  const judged = judgedOutput(alone, { device: 'cpu', operands, half: false, runningSum: false });
  return { exact: dense(judged.exact)[alone.at], bound: judged.bounds.bound[alone.at] };
}

function isolate(layer: Layer, inputs: readonly Tensor[], weights: Weights, index: number, y: Tensor): Alone {
  const [x] = inputs;
  const size = y.shape.slice(2).reduce((product, extent) => product * extent, 1);
  switch (layer.kind) {
    case 'conv2d':
    case 'linear':
      return ofSum(layer, sumOf(layer, x, weights, index, y.shape));
    case 'lrn': {
      const [first, last] = windowOf(Math.floor(index / size), x.shape[1], layer.attributes);
      const X = dense(x);
      const column = Float32Array.from(
        { length: last - first + 1 },
        (_, j) => X[(first + j) * size + (index % size)],
      );
      const own = { ...layer, attributes: { ...layer.attributes, groups: 1 } };
      const at = Math.floor(index / size) - first;
      return { layer: own, inputs: [tensor(column, [1, column.length, 1, 1])], weights, at };
    }
    case 'mapnorm':
    case 'maxpool':
    case 'avgpool':
    case 'adaptiveavgpool': {
      const [, , H, W] = x.shape;
      const c = Math.floor(index / size);
      const map = tensor(dense(x).slice(c * H * W, (c + 1) * H * W), [1, 1, H, W]);
      return { layer, inputs: [map], weights, at: index % size };
    }
    case 'relu':
    case 'tanh':
    case 'sigmoid':
    case 'dropout':
      return { layer, inputs: [tensor(dense(x).slice(index, index + 1), [1, 1])], weights, at: 0 };
    default:
      return { layer, inputs, weights, at: index };
  }
}

/** A fully connected layer of one neuron: a convolution's window is the same sum. */
function ofSum({ name }: Layer, { x, w, bias }: Sum): Alone {
  const count = x.length;
  const weights = new Map([
    [`${name}.weight`, tensor(w, [1, count])],
    [`${name}.bias`, tensor(Float32Array.of(bias), [1])],
  ]);
  const layer: Layer = { name, kind: 'linear', channels: 1 };
  return { layer, inputs: [tensor(x, [1, count])], weights, at: 0 };
}
