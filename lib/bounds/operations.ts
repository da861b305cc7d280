/**
 * Tier 1 and 2: how far a right device may be from the oracle, an entry an operation. docs/error-bounds.md
 * derives each.
 *
 * ŷ is the oracle's unrounded float64 result computed from the device's own inputs; every bound holds for any order of
 * summation, with or without fused multiply-add.
 */
import type { Kind, Layer } from '../../reference/networks/layers.ts';
import { runLayer, type Weights } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { operations } from '../fast/index.ts';
import {
  type BackwardPass,
  type Bounds,
  type BoundsContext,
  exactGradients,
  inFloat16,
  type Judged,
  type LayerCall,
  type OperationBounds,
} from './bounds.ts';
import { concat, dropout, flatten, relu, sigmoid, split, tanh } from './elementwise.ts';
import { lrn, mapnorm, softmax } from './normalisers.ts';
import { adaptiveavgpool, avgpool, maxpool } from './pools.ts';
import { conv2d, linear } from './products.ts';

const table: { readonly [K in Kind]: OperationBounds<K> } = {
  conv2d,
  linear,
  lrn,
  mapnorm,
  maxpool,
  avgpool,
  adaptiveavgpool,
  relu,
  tanh,
  sigmoid,
  softmax,
  dropout,
  flatten,
  concat,
  split,
};

/** The table speaks of layers of its own kind. */
const entryOf = (layer: Layer): OperationBounds<Kind> => table[layer.kind] as OperationBounds<Kind>;

/** Bounds of one layer's output. `inputs` are the device's; `exact` is ŷ. */
export function boundsOf(
  layer: Layer,
  inputs: readonly Tensor[],
  exact: Tensor,
  weights: Weights,
  context: BoundsContext,
): Bounds {
  const pass = { inputs, weights, exact };
  const bounds = entryOf(layer).forward(layer, pass, context);
  return context.half ? inFloat16(bounds, exact, entryOf(layer).ofInput?.(layer, pass)) : bounds;
}

/** One layer's output at test time, ŷ and its bounds. */
export function judgedOutput({ layer, inputs, weights }: LayerCall, context: BoundsContext): Judged {
  const exact = runLayer(layer, inputs, weights, 'float64', operations);
  return { exact, bounds: boundsOf(layer, inputs, exact, weights, context) };
}

/**
 * The gradients of one layer's operands, in their order, from the device's own dy and what else it reads, as
 * export/emit composes them; null where one is not wanted.
 */
export function judgedGradients(
  layer: Layer,
  pass: BackwardPass,
  context: BoundsContext,
): readonly (Judged | null)[] {
  const exact = exactGradients(layer, pass);
  const bounds = entryOf(layer).backward(layer, pass, exact as readonly Tensor[], context);
  return exact.map((t, i) => t && { exact: t, bounds: bounds[i] });
}
