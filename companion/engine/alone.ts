/**
 * One value by itself: the smallest layer that computes it. The oracle runs that layer once more, unrounded, and the
 * verifier says how far a right float32 kernel may be from it; backward likewise.
 */
import { classes } from '../../lib/bounds/arithmetic.ts';
import type { BoundsContext, Judged } from '../../lib/bounds/bounds.ts';
import { judgedGradients, judgedOutput } from '../../lib/bounds/operations.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Shape, type Tensor, tensor, zeros } from '../../reference/tensor.ts';
import { pieceAt } from './piece.ts';
import { isSum, type Sum, sumOf } from './products.ts';

export interface Judgement {
  /** Unrounded, from the float32 inputs. */
  readonly exact: number;
  /** |y − exact| is at most this in any right float32 kernel. */
  readonly bound: number;
}

const context: BoundsContext = {
  device: 'cpu',
  operands: classes.float32,
  half: false,
  runningSum: false,
};

export const judgementAt = ({ exact, bounds }: Judged, at: number): Judgement => ({
  exact: dense(exact)[at],
  bound: bounds.bound[at],
});

/** What value `index` of a layer's output (of this shape) should be. `inputs` are batches of one. */
export function judge(
  layer: Layer,
  inputs: readonly Tensor[],
  weights: Weights,
  index: number,
  y: Shape,
): Judgement {
  if (isSum(layer)) {
    const { x, w, bias } = sumOf(layer, inputs[0], weights, index, y);
    const neuron = neurons(w, [1, w.length], Float32Array.of(bias));
    return judgementAt(judgedOutput({ ...neuron, inputs: [tensor(x, [1, x.length])] }, context), 0);
  }
  const { of, at } = pieceAt(layer.kind, y, index);
  return judgementAt(judgedOutput({ layer, inputs: inputs.map(of), weights }, context), at);
}

/** What the gradient of value `index` of x should be, where y = layer(x) and its gradient is dy. */
export function judgeGradient(layer: Layer, x: Tensor, y: Tensor, dy: Tensor, index: number): Judgement {
  const { of, at } = pieceAt(layer.kind, x.shape, index);
  // at test time dropout is one factor, forward as backward
  if (layer.kind === 'dropout') return judge(layer, [dy], new Map(), index, dy.shape);
  const pass = { inputs: [of(x)], weights: new Map(), y: of(y), dy: of(dy), ties: 'first' } as const;
  const [dx] = judgedGradients(layer, { ...pass, wanted: { dx: true } }, context);
  return judgementAt(dx!, at);
}

/** The same of a sum of gradients times weights: what neurons that read this value alone give it. */
export function judgeSum({ x: dy, w }: Pick<Sum, 'x' | 'w'>): Judgement {
  const O = w.length;
  if (O === 0) return { exact: 0, bound: 0 };
  const { layer, weights } = neurons(w, [O, 1], new Float32Array(O));
  const row = tensor(dy, [1, O]);
  const pass = { inputs: [zeros([1, 1], 'float32')], weights, y: row, dy: row, wanted: { dx: true } };
  return judgementAt(judgedGradients(layer, pass, context)[0]!, 0);
}

/** A fully connected layer: a convolution's window is the same sum. */
function neurons(w: Float32Array, shape: Shape, bias: Float32Array): { layer: Layer; weights: Weights } {
  const weights = new Map([
    ['fc.weight', tensor(w, shape)],
    ['fc.bias', tensor(bias, [bias.length])],
  ]);
  return { layer: { name: 'fc', kind: 'linear', channels: shape[0] }, weights };
}
