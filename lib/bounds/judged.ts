/** A value's exact result and how far a right device may be from it. */
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { type DeviceArithmetic, gamma, HALF_SUBNORMAL, MIN_NORMAL } from './arithmetic.ts';
import type { Bounds } from './bounds.ts';

export interface Judged {
  /** Unrounded, from the device's own operands. */
  readonly exact: Tensor;
  readonly bounds: Bounds;
}

/** What `count` results that underflow may lose together. */
export const underflow = ({ flushes }: DeviceArithmetic, count = 1): number =>
  count * (flushes ? MIN_NORMAL : HALF_SUBNORMAL);

/** Values that are only moved or chosen: exact, up to a flushed subnormal. */
export function moved(exact: Tensor, { flushes }: DeviceArithmetic): Judged {
  return { exact, bounds: { bound: new Float64Array(exact.size).fill(flushes ? MIN_NORMAL : 0) } };
}

/** `roundings` one after the other of a value: γ·|ŷ|, or of `magnitude` where terms of both signs meet. */
export function rounded(
  exact: Tensor,
  roundings: number,
  device: DeviceArithmetic,
  magnitude: ArrayLike<number> = dense(exact),
): Judged {
  const [relative, tiny] = [gamma(roundings), underflow(device, 2)];
  const bound = new Float64Array(magnitude).map((m) => relative * Math.abs(m) + tiny);
  return { exact, bounds: { bound } };
}

/**
 * Several gradients of one value, added one after the other: each part's bound, and γ_{parts − 1} of their
 * magnitudes.
 */
export function summed(parts: readonly Judged[], device: DeviceArithmetic): Judged {
  if (parts.length === 1) return parts[0];
  const size = parts[0].exact.size;
  const sum = new Float64Array(size);
  const bound = new Float64Array(size);
  const relative = gamma(parts.length - 1);
  for (const { exact, bounds } of parts) {
    const E = dense(exact);
    for (let i = 0; i < size; i++) {
      sum[i] += E[i];
      bound[i] += bounds.bound[i] + relative * (Math.abs(E[i]) + bounds.bound[i]);
    }
  }
  const tiny = underflow(device, parts.length);
  return { exact: tensor(sum, parts[0].exact.shape), bounds: { bound: bound.map((b) => b + tiny) } };
}
