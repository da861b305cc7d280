/** What the answer hangs on: other views of the photo, a part of it covered, a kernel taken out. */
import { operations } from '../../lib/fast/index.ts';
import { coveredRow, coverOf } from '../../lib/picture/cover.ts';
import {
  cropViews,
  type Image,
  type PreprocessOptions,
  preprocess,
} from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { forward, type Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { trunk } from '../../reference/training/gradient.ts';
import * as loss from '../../reference/training/loss.ts';

/** What a batch is taken for: K probabilities an image, and the loss of class `k` of each, float64. */
export function classify(network: Network, weights: Weights, input: Tensor, k = 0) {
  const z = forward(trunk(network), weights, input, { operations });
  return loss.forward(z, new Uint16Array(z.shape[0]).fill(k));
}

export interface View {
  readonly image: Image;
  readonly probabilities: Float64Array;
}

/** The ten views of section 4.1, and the mean of their probabilities. */
export function tenViews(
  network: Network,
  weights: Weights,
  photo: Image,
  options: PreprocessOptions,
): { readonly views: readonly View[]; readonly mean: Float64Array } {
  const input = preprocess(photo, network.preprocess, { ...options, views: 10 });
  const { p } = classify(network, weights, input);
  const K = p.length / 10;
  const images = cropViews(photo, network.preprocess, 10);
  const views = images.map((image, n) => ({ image, probabilities: p.slice(n * K, (n + 1) * K) }));
  const mean = new Float64Array(K).map((_, k) =>
    views.reduce((sum, { probabilities }) => sum + probabilities[k] / 10, 0),
  );
  return { views, mean };
}

/** The loss of class `k`, −log p[k], with the square at each place of one row. */
export function occludeRow(
  network: Network,
  weights: Weights,
  input: Tensor,
  k: number,
  row: number,
): Float64Array {
  const covered = coveredRow(input, coverOf(network), row);
  return classify(network, weights, covered, k).losses;
}

/** The loss of class `k` without each of the kernels from `first` to before `end` of a layer. */
export function withoutKernels(
  network: Network,
  weights: Weights,
  input: Tensor,
  k: number,
  layer: string,
  [first, end]: readonly [number, number],
): Float64Array {
  return new Float64Array(end - first).map((_, i) => {
    const silenced = new Map(weights);
    for (const part of ['weight', 'bias']) {
      const t = weights.get(`${layer}.${part}`)!;
      const share = t.size / t.shape[0];
      const data = dense(t).slice();
      data.fill(0, (first + i) * share, (first + i + 1) * share);
      silenced.set(`${layer}.${part}`, tensor(data, t.shape));
    }
    return classify(network, silenced, input, k).losses[0];
  });
}
