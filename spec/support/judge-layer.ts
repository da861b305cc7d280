/** Judges one layer's values, whoever computed them. */
import type { BoundsContext, Judged } from '../../lib/bounds/bounds.ts';
import { judgedOutput } from '../../lib/bounds/operations.ts';
import { type Comparison, judge } from '../../lib/judge/judge.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';

/** The error that one layer introduced, given the device's own inputs to it; `observe` sees ŷ and its bounds. */
export function judgeLayer(
  layer: Layer,
  inputs: readonly Tensor[],
  y: Tensor,
  weights: Weights,
  context: BoundsContext,
  observe?: (judged: Judged) => void,
): Comparison {
  const judged = judgedOutput({ layer, inputs, weights }, context);
  observe?.(judged);
  return judge(y, judged, context.operands);
}
