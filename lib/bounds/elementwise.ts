/** Bounds of the operations that work value by value, and of those that only move values. */
import * as ops from '../../reference/ops/index.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  gamma,
  HALF_SUBNORMAL,
  HALF_SUBNORMAL_16,
  MIN_NORMAL,
  U16,
  U32,
} from './arithmetic.ts';
import {
  type Bounds,
  type Context,
  copied,
  exactGradients,
  type ForwardPass,
  type Judged,
  moved,
  type OfInput,
  type OperationBounds,
  rounded,
} from './bounds.ts';

const copies = (_: object, { exact }: ForwardPass, { device }: Context): Bounds =>
  copied(exact, arithmetic[device]);

export const relu: OperationBounds<'relu'> = {
  forward: copies,
  // dy where y > 0: exact
  backward(layer, pass, { device }) {
    const { y, dy } = pass;
    const { flushes } = arithmetic[device];
    const judged = moved(exactGradients(layer, pass, dy)[0], arithmetic[device]);
    const { bound } = judged.bounds;
    const Y = dense(y);
    const DY = dense(dy);
    // a device that flushes may take a subnormal y for 0
    for (let i = 0; i < bound.length; i++)
      if (flushes && Y[i] > 0 && Y[i] < MIN_NORMAL) bound[i] = Math.abs(DY[i]);
    return { dxs: [judged] };
  },
};

/** Both have slopes of at most 1. */
const slope = (_: object, { inputs: [x] }: ForwardPass): OfInput => {
  const X = dense(x);
  return (i) => U16 * Math.abs(X[i]) + HALF_SUBNORMAL_16;
};

/** tanh's licence, and `nearZero`·u, absolute. */
function saturating(exact: Tensor, device: DeviceArithmetic, nearZero: number): Bounds {
  const tiny = nearZero * U32 + 2 * MIN_NORMAL;
  return { bound: new Float64Array(dense(exact)).map((y) => device.tanh * U32 * Math.abs(y) + tiny) };
}

export const tanh: OperationBounds<'tanh'> = {
  // absolute near 0 where the device divides exponentials
  forward: (_, { exact }, { device }) =>
    saturating(exact, arithmetic[device], arithmetic[device].tanhNearZero),
  ofInput: slope,
  // dy·(1 − y²): y² and 1 − y² are rounded as they are, then the product
  backward(layer, pass, { device }) {
    const { y, dy } = pass;
    const Y = dense(y);
    const magnitude = new Float64Array(dense(dy)).map(
      (d, i) => Math.abs(d) * (Y[i] * Y[i] + Math.abs(1 - Y[i] * Y[i])),
    );
    const [exact] = exactGradients(layer, pass, dy);
    return { dxs: [rounded(exact, 3, arithmetic[device], magnitude)] };
  },
};

export const sigmoid: OperationBounds<'sigmoid'> = {
  // exp and a division, or ½ + ½·tanh(x/2): absolute near 0
  forward: (_, { exact }, { device }) => saturating(exact, arithmetic[device], arithmetic[device].tanh),
  ofInput: slope,
  backward: (layer, pass, { device }) => ({
    dxs: [rounded(exactGradients(layer, pass, pass.dy)[0], 3, arithmetic[device])],
  }),
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
): Judged {
  const scale = convention === 'paper' ? 1 : 1 / (1 - ratio);
  const exactly = !masked || Math.log2(scale) % 1 === 0;
  return exactly ? moved(exact, device) : rounded(exact, 2, device);
}

export const dropout: OperationBounds<'dropout'> = {
  // at test time one product, y = (1 − ratio)·x, the factor itself rounded unless it is a power of two
  forward({ attributes: { ratio, convention } }, { exact }, { device }) {
    const { flushes } = arithmetic[device];
    if (convention === 'inverted') return copied(exact, arithmetic[device]);
    const tiny = flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
    const rounding = Math.log2(1 - ratio) % 1 === 0 ? 0 : gamma(2);
    return { bound: new Float64Array(dense(exact)).map((y) => rounding * Math.abs(y) + tiny) };
  },
  ofInput(_, { exact }) {
    const Y = dense(exact);
    return (i) => U16 * Math.abs(Y[i]) + HALF_SUBNORMAL_16;
  },
  backward({ attributes }, { dy, mask }, { device }) {
    const kept = mask && tensor(Float32Array.from(mask), [mask.length]);
    const exact = kept ? ops.dropout.forward([dy, kept], attributes, 'float64') : dy;
    return { dxs: [scaledByMask(attributes, exact, mask !== undefined, arithmetic[device])] };
  },
};

/** Values are moved, forward and back. */
const moving: OperationBounds<'flatten' | 'split' | 'concat'> = {
  forward: copies,
  backward: (layer, pass, { device }) => ({
    dxs: exactGradients(layer, pass, pass.dy).map((dx) => moved(dx, arithmetic[device])),
  }),
};

export { moving as concat, moving as flatten, moving as split };
