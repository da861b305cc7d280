/** A layer's weights and biases as initializers, called as in the oracle: <layer>.weight, <layer>.bias. */
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';

/** [weight] or [weight, bias]. Throws if there is no weight. */
export function parameters(g: GraphBuilder, layer: string, weights: Weights): string[] {
  const weight = weights.get(`${layer}.weight`);
  const bias = weights.get(`${layer}.bias`);
  if (!weight) throw new Error(`${layer}: there are no weights '${layer}.weight'`);
  const names = [g.initializer(`${layer}.weight`, weight)];
  return bias ? [...names, g.initializer(`${layer}.bias`, bias)] : names;
}
