/**
 * Softmax cross-entropy of logits, the gradient of both together, and who was wrong.
 *
 *   p[n,k] = e^(z[n,k] − m) / Σ_j e^(z[n,j] − m),   m = max_j z[n,j]
 *   loss   = −1/N Σ_n log p[n, label[n]] = 1/N Σ_n (log Σ_j e^(z[n,j] − m) − (z[n,label] − m))
 *   dz     = (p − onehot) / N
 *
 * Paper   section 3.5 maximises the mean log-probability of the right class; section 5's update descends, so its L is
 *         the negative of that, as here.
 * ONNX    SoftmaxCrossEntropyLoss, reduction = 'mean'; decomposed in export/loss.ts.
 * Clash   Caffe's loss is −log max(p, FLT_MIN), at most 87.34 per image; its gradient is p − onehot all the same
 *         (`clip`).
 *         Ties in the errors: see `rankings`.
 * Letters z, p (N,K), labels N integers from 0 to K − 1.
 */
import * as math from '../math.ts';
import { allocate, dense, type Precision, precisionOf, type Tensor, tensor } from '../tensor.ts';

/** What a probability of (nearly) 0 costs: as much as it does, or at most −log FLT_MIN (softmax_loss_layer.cpp). */
export type Clip = 'none' | 'caffe';

/** 2⁻¹²⁶, the smallest normal float32. */
const FLT_MIN = 1.1754943508222875e-38;

/** Throws unless there are N labels, each an integer from 0 to K − 1. */
function checkLabels(z: Tensor, labels: ArrayLike<number>): void {
  if (z.dimension !== 2) throw new RangeError(`loss: z must have 2 dimensions (shape = [${z.shape}])`);
  const [N, K] = z.shape;
  if (labels.length !== N) throw new RangeError(`loss: there must be ${N} labels (= ${labels.length})`);
  for (let n = 0; n < N; n++) {
    if (!Number.isInteger(labels[n]) || labels[n] < 0 || labels[n] >= K) {
      throw new RangeError(`loss: labels must be integers from 0 to ${K - 1} (label ${n} = ${labels[n]})`);
    }
  }
}

/** The mean over the batch, the loss of each image, and p for backward; all in float64. */
export function forward(
  z: Tensor,
  labels: ArrayLike<number>,
  clip: Clip = 'none',
): { loss: number; losses: Float64Array; p: Float64Array } {
  checkLabels(z, labels);
  const [N, K] = z.shape;
  const Z = dense(z);
  const p = new Float64Array(N * K);
  const losses = new Float64Array(N);
  let total = 0;
  for (let n = 0; n < N; n++) {
    let m = -Infinity;
    for (let k = 0; k < K; k++) if (!(Z[n * K + k] <= m)) m = Z[n * K + k];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += p[n * K + k] = math.exp(Z[n * K + k] - m);
    for (let k = 0; k < K; k++) p[n * K + k] /= sum;
    const own = n * K + labels[n];
    const clipped = clip === 'caffe' && p[own] < FLT_MIN;
    losses[n] = clipped ? -math.log(FLT_MIN) : math.log(sum) - (Z[own] - m);
    total += losses[n];
  }
  return { loss: total / N, losses, p };
}

/** dz (N,K) from forward's p, rounded once to `precision`. */
export function backward(
  z: Tensor,
  labels: ArrayLike<number>,
  p: Float64Array,
  precision: Precision = precisionOf(z),
): Tensor {
  checkLabels(z, labels);
  const [N, K] = z.shape;
  const DZ = allocate(N * K, precision);
  // losses[n] = log(sum) − (Z[own] − m): ∂ log(sum) / ∂z[k] = p[k], ∂ Z[own] / ∂z[k] = [k = label]; loss = total / N
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) DZ[n * K + k] = (p[n * K + k] - (k === labels[n] ? 1 : 0)) / N;
  }
  return tensor(DZ, z.shape);
}

/**
 * What counts where other classes score as high as the right one:
 * optimistic  classes that score higher count, equal ones do not (the training step's graph).
 * first       of equal classes the one of lower index is ahead (argmax, sorting, Caffe's and PyTorch's accuracy).
 * fractional  cuda-convnet: the share of the equal classes for which there is a place among the first k
 *             (kMultiSoftmaxCost of cuda-convnet2; for k = 1: one over the number of maxima).
 */
export const rankings = ['optimistic', 'first', 'fractional'] as const;
export type Ranking = (typeof rankings)[number];

/**
 * How right each image's first k classes are: 1, 0, or a share of a tie. A NaN score is ahead of every other,
 * so 0.
 */
export function hits(z: Tensor, labels: ArrayLike<number>, k: number, rule: Ranking = 'first'): Float64Array {
  checkLabels(z, labels);
  if (!Number.isInteger(k) || k < 1) throw new RangeError(`loss: k must be a positive integer (= ${k})`);
  const [N, K] = z.shape;
  const Z = dense(z);
  return new Float64Array(N).map((_, n) => {
    const own = Z[n * K + labels[n]];
    if (Number.isNaN(own)) return 0;
    let ahead = 0;
    let equal = 0;
    for (let j = 0; j < K; j++) {
      const score = Z[n * K + j];
      const same = score === own;
      if (!(score <= own) || (same && rule === 'first' && j < labels[n])) ahead++;
      if (same) equal++;
    }
    const places = k - ahead;
    if (places <= 0) return 0;
    return rule === 'fractional' ? Math.min(1, places / equal) : 1;
  });
}

/** The share of images whose right class is not among the first k. */
export function errorRate(z: Tensor, labels: ArrayLike<number>, k: number, rule: Ranking = 'first'): number {
  const N = z.shape[0];
  return (N - hits(z, labels, k, rule).reduce((sum, v) => sum + v, 0)) / N;
}
