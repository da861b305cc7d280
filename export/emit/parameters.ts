/** A layer's weights and biases, called as in the oracle: <layer>.weight, <layer>.bias. */
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';

/**
 * [weight] or [weight, bias]: the graph's inputs of that name (training), else initializers. Throws if there
 * is none.
 */
export function parameters(g: GraphBuilder, layer: string, weights: Weights): string[] {
  const [weight, bias] = [`${layer}.weight`, `${layer}.bias`].map((name) => {
    const value = weights.get(name);
    if (g.has(name)) return name;
    return value && g.initializer(name, value);
  });
  if (!weight) throw new RangeError(`${layer}: there are no weights '${layer}.weight'`);
  return bias ? [weight, bias] : [weight];
}

/** db = Σ dy along `axes`, where the layer has a bias whose gradient is wanted. */
export function emitBiasGradient(
  g: GraphBuilder,
  layer: string,
  dy: string,
  axes: readonly number[],
  wants: (parameter: string) => boolean,
): void {
  const bias = `${layer}.bias`;
  if (g.has(bias) && wants(bias)) g.sum(dy, axes, `d${bias}`);
}
