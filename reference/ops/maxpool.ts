/**
 * Max-pooling; with stride < kernel the windows overlap.
 *
 *   y[n,c,p,q] = max { x[n,c,h,w] : (h,w) inside window (p,q) and inside the image }
 *
 * Paper   section 3.4: z = 3, s = 2.
 * ONNX    MaxPool, since opset 1; ceil_mode since 10. Padding acts as −∞.
 * Clash   rounding of the output size: see window.ts.
 *         Ties: the first maximum in row-major order wins the gradient (PyTorch, Caffe) or every maximum gets it
 *         (cuda-convnet): `ties`; `winner` is the first.
 *         NaN: it wins, as in PyTorch; onnxruntime's CPU kernel drops it.
 *         An empty window (Caffe's rounding, stride > kernel) is −FLT_MAX, Caffe's starting value.
 * Letters x (N,C,H,W), y (N,C,P,Q).
 */
import {
  allocate,
  cast,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import { gradientOf } from './dy.ts';
import { pooledShape, type Window } from './window.ts';

export type Attributes = Window;

const FLT_MAX = 3.4028234663852886e38;

export const shape = (x: Shape, attributes: Attributes): Shape => pooledShape('maxpool', x, attributes);

/** y, and the flat index in x of each window's first maximum (−1 for an empty window). */
export function forward(
  x: Tensor,
  attributes: Attributes,
  precision: Precision = precisionOf(x),
): { y: Tensor; winner: Int32Array } {
  const yShape = shape(x.shape, attributes);
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = yShape;
  const X = dense(x);
  const Y = allocate(sizeOf(yShape), precision);
  const winner = new Int32Array(Y.length);
  let y = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const top = p * stride[0] - pad[0];
      for (let q = 0; q < Q; q++) {
        const left = q * stride[1] - pad[1];
        let best = -FLT_MAX;
        let at = -1;
        for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
          for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++) {
            const i = (map * H + h) * W + w;
            // the first maximum: later values must be greater; a NaN wins and stays
            if (at < 0 || X[i] > best || (Number.isNaN(X[i]) && !Number.isNaN(best))) {
              best = X[i];
              at = i;
            }
          }
        }
        Y[y] = best;
        winner[y++] = at;
      }
    }
  }
  return { y: tensor(Y, yShape), winner };
}

/** Who gets a window's gradient where several values are its maximum. */
export const ties = ['first', 'every'] as const;
export type Ties = (typeof ties)[number];

/**
 * dx: each window's dy goes to its maximum, and overlapping windows add up; `winner` is forward's. Of equal maxima the
 * first gets it ('first': PyTorch, Caffe) or each gets all of it ('every': cuda-convnet). A NaN is a winner
 * under 'first' alone, as it equals nothing.
 */
export function backward(
  dy: Tensor,
  x: Tensor,
  winner: Int32Array,
  attributes: Attributes,
  rule: Ties = 'first',
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  const [N, C, P, Q] = shape(x.shape, attributes);
  const { kernel, stride, pad } = attributes;
  const [, , H, W] = x.shape;
  const [DY, X] = [gradientOf('maxpool', dy, [N, C, P, Q]), dense(x)];
  const sums = new Float64Array(X.length);
  for (let y = 0; y < N * C * P * Q; y++) {
    // Y[y] = best, which is X[at]; winner[y] = at
    const at = winner[y];
    if (at < 0) continue; // an empty window's value is a constant
    if (rule === 'first') {
      sums[at] += DY[y];
      continue;
    }
    const map = Math.floor(y / (P * Q));
    const top = (Math.floor(y / Q) % P) * stride[0] - pad[0];
    const left = (y % Q) * stride[1] - pad[1];
    for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
      for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++) {
        const i = (map * H + h) * W + w;
        if (X[i] === X[at]) sums[i] += DY[y];
      }
    }
  }
  return { dx: cast(tensor(sums, x.shape), precision) };
}
