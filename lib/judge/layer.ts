/** Judges one layer's values, whoever computed them. */

import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';
import type { Bounds, Context } from '../bounds/bounds.ts';
import { forwardOf } from '../bounds/operations.ts';
import { type Comparison, judge } from './judge.ts';

/** The error that one layer introduced, given the device's own inputs to it; `observe` sees ŷ and its bounds. */
export function judgeLayer(
  layer: Layer,
  inputs: readonly Tensor[],
  y: Tensor,
  weights: Weights,
  context: Context,
  observe?: (exact: Tensor, bounds: Bounds) => void,
): Comparison {
  const judged = forwardOf(layer, inputs, weights, context);
  observe?.(judged.exact, judged.bounds);
  return judge(y, judged, context.operands);
}
