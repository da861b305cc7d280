/** Bounds of the operations that work value by value, and of those that only move values. */
import type * as ops from '../../reference/ops/index.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { arithmetic, type DeviceArithmetic, gamma, HALF_SUBNORMAL, MIN_NORMAL, U32 } from './arithmetic.ts';
import {
  type Bounds,
  type BoundsContext,
  copied,
  type ForwardPass,
  halfStep,
  type Judged,
  type OfInput,
  type OperationBounds,
  relativeTo,
  rounded,
  type Told,
} from './bounds.ts';
import { FALSE_ALARM } from './products.ts';

const copies = (_: object, { exact }: ForwardPass, { device }: BoundsContext): Bounds =>
  copied(exact, arithmetic[device]);

/** Values are moved, forward and back. */
const moving: OperationBounds<'flatten' | 'split' | 'concat'> = {
  forward: copies,
  backward: (_, _pass, exact, { device }) => exact.map((dx) => copied(dx, arithmetic[device])),
};

export { moving as concat, moving as flatten, moving as split };

export const relu: OperationBounds<'relu'> = {
  forward: copies,
  // dy where y > 0: exact; but a device that flushes may take a subnormal y for 0
  backward(_, { y, dy }, [dx], { device }) {
    const { bound } = copied(dx, arithmetic[device]);
    const Y = dense(y);
    const DY = dense(dy);
    if (arithmetic[device].flushes)
      for (let i = 0; i < bound.length; i++) if (Y[i] > 0 && Y[i] < MIN_NORMAL) bound[i] = Math.abs(DY[i]);
    return [{ bound }];
  },
};

/** x is off by its rounding, and no slope is above 1. */
const changed = (t: Tensor): OfInput => {
  const T = dense(t);
  return (i) => halfStep(T[i]);
};

/** tanh's licence, and `nearZero`·u, absolute. */
const saturating = (exact: Tensor, device: DeviceArithmetic, nearZero: number): Bounds =>
  relativeTo(dense(exact), device.tanh * U32, nearZero * U32 + 2 * MIN_NORMAL);

export const tanh: OperationBounds<'tanh'> = {
  // absolute near 0 where the device divides exponentials
  forward: (_, { exact }, { device }) =>
    saturating(exact, arithmetic[device], arithmetic[device].tanhNearZero),
  ofInput: (_, { inputs: [x] }) => changed(x),
  // dy·(1 − y²): y² and 1 − y² are rounded as they are, then the product
  backward(_, { y, dy }, _exact, { device }) {
    const Y = dense(y);
    const magnitude = new Float64Array(dense(dy)).map(
      (d, i) => d * (Y[i] * Y[i] + Math.abs(1 - Y[i] * Y[i])),
    );
    return [rounded(magnitude, 3, arithmetic[device])];
  },
};

export const sigmoid: OperationBounds<'sigmoid'> = {
  // exp and a division, or ½ + ½·tanh(x/2): absolute near 0
  forward: (_, { exact }, { device }) => saturating(exact, arithmetic[device], arithmetic[device].tanh),
  ofInput: (_, { inputs: [x] }) => changed(x),
  backward: (_, _pass, [dx], { device }) => [rounded(dx, 3, arithmetic[device])],
};

/**
 * factor·dy (or x) with factor = mask·scale: exact but for the scale's rounding and the product's, where it is
 * no power of two.
 */
export function scaledByMask(
  { ratio, convention }: ops.dropout.Attributes,
  exact: Tensor,
  masked: boolean,
  device: DeviceArithmetic,
): Bounds {
  const scale = convention === 'paper' ? 1 : 1 / (1 - ratio);
  const exactly = !masked || Math.log2(scale) % 1 === 0;
  return exactly ? copied(exact, device) : rounded(exact, 2, device);
}

export const dropout: OperationBounds<'dropout'> = {
  // at test time one product, y = (1 − ratio)·x, the factor itself rounded unless it is a power of two
  forward({ attributes: { ratio, convention } }, { exact }, { device }) {
    if (convention === 'inverted') return copied(exact, arithmetic[device]);
    const tiny = arithmetic[device].flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
    return relativeTo(dense(exact), Math.log2(1 - ratio) % 1 === 0 ? 0 : gamma(2), tiny);
  },
  ofInput: (_, { exact }) => changed(exact),
  backward: ({ attributes }, { mask }, [dx], { device }) => [
    scaledByMask(attributes, dx, mask !== undefined, arithmetic[device]),
  ],
};

/**
 * Dropout with a mask of the device's own generator (absent: what is not 0 was kept). y is 0 or x/(1 − p), three
 * roundings. Of n values k are kept with a probability of at most 2·e^(−n·D), D the relative entropy of k/n against
 * 1 − p (Chernoff): below FALSE_ALARM the rate is wrong.
 */
export function drawnDropout(
  x: Tensor,
  y: Tensor,
  mask: ArrayLike<number> | undefined,
  ratio: number,
  device: DeviceArithmetic,
): { judged: Judged; rate: Told } {
  const X = dense(x);
  const Y = dense(y);
  const scale = 1 / (1 - ratio);
  const kept = mask ?? Y.map((v) => Number(v !== 0));
  const exact = new Float64Array(X).map((v, i) => (kept[i] ? v * scale : 0));
  let n = 0;
  let k = 0;
  for (let i = 0; i < X.length; i++) {
    if (!mask && Math.abs(X[i]) < 2 ** -20) continue; // it may be 0 by underflow
    n++;
    if (kept[i]) k++;
  }
  const entropy = (share: number, of: number): number => (share === 0 ? 0 : share * Math.log(share / of));
  const divergence = n === 0 ? 0 : entropy(k / n, 1 - ratio) + entropy(1 - k / n, ratio);
  const right = 2 * Math.exp(-n * divergence) >= FALSE_ALARM;
  const reason = `${n - k} of ${n} values dropped, at a ratio of ${ratio}`;
  return {
    judged: { exact: tensor(exact, x.shape), bounds: rounded(exact, 3, device) },
    rate: right ? { verdict: 'pass', reason: '' } : { verdict: 'fail', reason },
  };
}
