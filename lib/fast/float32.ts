/**
 * Sums in float32 (`accumulate: 'float32'`): every product and every sum is rounded, in the order of the plain loops,
 *
 *   acc ← fround(acc + fround(w·x)),   y = fround(acc + b)
 *
 * as a sequential float32 engine without fused multiply-add computes. Twice as fast as float64 sums, and no yardstick:
 * these loops define it, and compute it where there is no WebAssembly.
 */
import { type Attributes, inside, shape } from '../../reference/ops/conv2d.ts';
import * as ops from '../../reference/ops/linear.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import { dense, type Precision, precisionOf, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';

const { fround } = Math;

/** Throws unless everything is float32. */
export function mustBeSingle(operation: string, tensors: readonly Tensor[], precision: Precision): void {
  if (precision === 'float32' && tensors.every((t) => precisionOf(t) === 'float32')) return;
  throw new Error(`${operation}: sums in float32 need values stored in float32`);
}

export const convolve: Forward<Attributes> = (operands, attributes, precision = 'float32') => {
  mustBeSingle('conv2d', operands, precision);
  const [x, w, b] = operands;
  const yShape = shape([x.shape, w.shape], attributes);
  const { stride, pad, dilation, groups } = attributes;
  const [N, C, H, W] = x.shape;
  const [K, CG, R, S] = w.shape;
  const [, , P, Q] = yShape;
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  const Y = new Float32Array(sizeOf(yShape));
  let y = 0;
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      const firstChannel = n * C + Math.floor(k / (K / groups)) * CG;
      for (let p = 0; p < P; p++) {
        const top = p * stride[0] - pad[0];
        const [r0, r1] = inside(top, dilation[0], R, H);
        for (let q = 0; q < Q; q++) {
          const left = q * stride[1] - pad[1];
          const [s0, s1] = inside(left, dilation[1], S, W);
          let sum = 0;
          for (let c = 0; c < CG; c++) {
            for (let r = r0; r < r1; r++) {
              const f = ((k * CG + c) * R + r) * S;
              const at = ((firstChannel + c) * H + top + r * dilation[0]) * W + left;
              for (let s = s0; s < s1; s++) sum = fround(sum + fround(F[f + s] * X[at + s * dilation[1]]));
            }
          }
          Y[y++] = B ? sum + B[k] : sum;
        }
      }
    }
  }
  return tensor(Y, yShape);
};

export const connect: Forward = (operands, _, precision = 'float32') => {
  mustBeSingle('linear', operands, precision);
  const [x, w, b] = operands;
  const [N, O] = ops.shape([x.shape, w.shape]);
  const I = w.shape[1];
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  const Y = new Float32Array(N * O);
  for (let n = 0; n < N; n++) {
    for (let o = 0; o < O; o++) {
      let sum = 0;
      for (let i = 0; i < I; i++) sum = fround(sum + fround(F[o * I + i] * X[n * I + i]));
      Y[n * O + o] = B ? sum + B[o] : sum;
    }
  }
  return tensor(Y, [N, O]);
};
