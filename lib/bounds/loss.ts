/** Bounds of the loss and of the logits' gradient, as export/loss.ts composes them. */
import { exp } from '../../reference/math.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import * as loss from '../../reference/training/loss.ts';
import type { Executor } from '../runtime/failures.ts';
import { arithmetic, type DeviceArithmetic, gamma, U32 } from './arithmetic.ts';
import { type Judged, underflow } from './bounds.ts';
import { softmaxBounds } from './normalisers.ts';

/** The loss of the device's logits (N,K): its exact value and bound, and those of their gradient times `factor`. */
export function lossBounds(
  logits: Tensor,
  labels: ArrayLike<number>,
  factor: number,
  name: Executor,
): { loss: Judged; dlogits: Judged } {
  const device = arithmetic[name];
  const { loss: mean, losses, p } = loss.forward(logits, labels);
  const bound = Float64Array.of(meanBound(logits, labels, losses, device));
  return {
    loss: { exact: tensor(Float64Array.of(mean), []), bounds: { bound } },
    dlogits: gradientBounds(logits, labels, p, factor, device),
  };
}

/**
 * Each loss is log Σ − z, z = logit − m rounded once. Σ has the mean of its terms' errors, weighted by the
 * probabilities, and K additions; its relative error is the logarithm's absolute one. The mean adds N − 1
 * additions and a quotient.
 */
function meanBound(
  logits: Tensor,
  labels: ArrayLike<number>,
  losses: Float64Array,
  device: DeviceArithmetic,
): number {
  const [N, K] = logits.shape;
  const Z = dense(logits);
  let error = 0;
  let magnitude = 0;
  for (let n = 0; n < N; n++) {
    const row = new Float64Array(Z.subarray(n * K, (n + 1) * K));
    const m = row.reduce((largest, v) => Math.max(largest, v), Number.NEGATIVE_INFINITY);
    let sum = 0;
    let wrong = 0;
    for (const v of row) {
      const distance = m - v;
      const e = exp(-distance);
      if (e === 0) continue;
      sum += e;
      wrong += e * Math.expm1((distance + device.exp(distance)) * U32);
    }
    const relative = wrong / sum + gamma(K);
    const own = m - row[labels[n]];
    const log = losses[n] - own;
    error +=
      relative / (1 - relative) + (device.log(Math.max(0, log)) + own + losses[n]) * U32 * (1 + relative);
    magnitude += losses[n];
  }
  const averaging = gamma(N + 1 + device.divide);
  // what underflows is lost beside γ
  return (error + averaging * (magnitude + error)) / N;
}

/**
 * dz = (p − onehot)·factor/N: p within softmax's bound, one rounding of the difference, at most four of the
 * factor (the learning rate, 1/N and their product among them), one of the product.
 */
function gradientBounds(
  logits: Tensor,
  labels: ArrayLike<number>,
  p: Float64Array,
  factor: number,
  device: DeviceArithmetic,
): Judged {
  const [N, K] = logits.shape;
  const { bound } = softmaxBounds(logits, tensor(p, [N, K]), device);
  const share = factor / N;
  const exact = p.map((v, i) => (v - (i % K === labels[Math.floor(i / K)] ? 1 : 0)) * share);
  const tiny = underflow(device, 2);
  const bounds = exact.map(
    (dz, i) => (1 + gamma(6)) * Math.abs(share) * bound[i] + gamma(6) * Math.abs(dz) + tiny,
  );
  return { exact: tensor(exact, [N, K]), bounds: { bound: bounds } };
}
