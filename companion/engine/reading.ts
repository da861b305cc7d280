/** What a value of a layer without weights read, and the steps from there to it. */

import { exp } from '../../reference/math.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, type Shape, type Tensor } from '../../reference/tensor.ts';
import { normalised } from './normaliser.ts';
import type { Step } from './told.ts';
import { binned, neighbours, pooled } from './windows.ts';

export interface Reading {
  /** Where the values that were read lie in the layer's input; −1 outside the picture. */
  readonly at: Int32Array;
  readonly x: Float32Array;
  /** How they are best laid out: [C, R, S], [R, S] or [C]. */
  readonly window: Shape;
  /** The one that it is about: pooling's maximum, the value that is normalised. */
  readonly chosen?: number;
  readonly steps: readonly Step[];
}

/** What output `index` (y has this shape) read. Nothing is told of layers that only move values together. */
export function readingOf(
  layer: Layer,
  [x]: readonly Tensor[],
  index: number,
  y: Shape,
): Reading | { readonly steps: readonly Step[] } {
  const X = dense(x);
  const take = (at: readonly number[], window: Shape, chosen?: number): Omit<Reading, 'steps'> => ({
    at: Int32Array.from(at),
    x: Float32Array.from(at, (i) => X[i]),
    window,
    ...(chosen === undefined ? {} : { chosen }),
  });
  switch (layer.kind) {
    case 'relu':
      return {
        ...take([index], [1]),
        steps: [{ what: 'the larger of 0 and x', value: Math.max(0, X[index]) }],
      };
    case 'dropout':
      return { ...take([index], [1]), steps: [kept(layer.attributes, X[index])] };
    case 'tanh':
    case 'sigmoid':
    case 'flatten':
      return { ...take([index], [1]), steps: [] };
    case 'lrn': {
      const [, C, H, W] = x.shape;
      const [first, last] = ops.lrn.windowOf(Math.floor(index / (H * W)), C, layer.attributes);
      const at = Array.from({ length: last - first + 1 }, (_, j) => (first + j) * H * W + (index % (H * W)));
      const read = take(at, [at.length], at.indexOf(index));
      return { ...read, steps: normalised(layer, read.x, X[index]) };
    }
    case 'mapnorm': {
      const { at, window } = neighbours(layer.attributes.size, x.shape, index);
      const read = take(at, window, at.indexOf(index));
      return { ...read, steps: normalised(layer, read.x, X[index]) };
    }
    case 'maxpool': {
      const { at, window } = pooled(layer.attributes, x.shape, y, index);
      const winner = at.reduce((best, i, n) => (X[i] > X[at[best]] ? n : best), 0);
      return {
        ...take(at, window, winner),
        steps: [{ what: `the largest of ${at.length}`, value: X[at[winner]] }],
      };
    }
    case 'avgpool': {
      const { at, window, top, left } = pooled(layer.attributes, x.shape, y, index);
      const divisor = ops.avgpool.divisorAt(top, left, x.shape[2], x.shape[3], layer.attributes);
      const read = take(at, window);
      return { ...read, steps: shared(read.x, divisor) };
    }
    case 'adaptiveavgpool': {
      const { at, window } = binned(x.shape, y, index);
      const read = take(at, window);
      return { ...read, steps: shared(read.x, at.length) };
    }
    case 'softmax':
      return { ...take([...X.keys()], [X.length], index), steps: shares(X, index) };
    default:
      return { steps: [] };
  }
}

const kept = ({ ratio, convention }: ops.dropout.Attributes, x: number): Step =>
  convention === 'paper'
    ? { what: `x × ${1 - ratio}: at test time nothing is dropped, all is scaled`, value: x * (1 - ratio) }
    : { what: 'x: at test time nothing is dropped', value: x };

function shared(x: Float32Array, divisor: number): Step[] {
  const total = x.reduce((sum, v) => sum + v, 0);
  return [
    { what: `the sum of ${x.length} values`, value: total },
    { what: 'how many they are said to be', value: divisor },
    { what: 'the quotient', value: total / divisor },
  ];
}

/** Of a logit: its share of e to the power of all. */
export function shares(X: ArrayLike<number>, index: number): Step[] {
  const z = Array.from(X);
  const m = z.reduce((a, b) => Math.max(a, b));
  const sum = z.reduce((total, v) => total + exp(v - m), 0);
  return [
    { what: 'm, the largest of all logits', value: m },
    { what: 'e to the power x − m', value: exp(z[index] - m) },
    { what: `the sum of all ${z.length} such powers`, value: sum },
    { what: 'their quotient', value: exp(z[index] - m) / sum },
  ];
}
