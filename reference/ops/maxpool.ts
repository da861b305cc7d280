/**
 * Max-pooling; with stride < kernel the windows overlap.
 *
 *   y[n,c,p,q] = max { x[n,c,h,w] : (h,w) inside window (p,q) and inside the image }
 *
 * Paper   section 3.4: z = 3, s = 2.
 * ONNX    MaxPool, since opset 1; ceil_mode since 10. Padding acts as −∞.
 * Clash   rounding of the output size: see window.ts.
 *         Ties: the first maximum in row-major order wins the gradient (PyTorch, Caffe) or every maximum gets it
 *         (cuda-convnet): `ties`.
 *         NaN: it wins, as in PyTorch; onnxruntime's CPU kernel drops it.
 *         An empty window (Caffe's rounding, stride > kernel) is −FLT_MAX, Caffe's starting value.
 * Letters x (N,C,H,W), y (N,C,P,Q).
 */
import { cast, dense, precisionOf, sizeOf, type Tensor, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type How, type ShapeOf } from './operation.ts';
import { pooledShape, type Window } from './window.ts';

export type Attributes = Window;

const FLT_MAX = 3.4028234663852886e38;

export const shape: ShapeOf<Attributes> = ([x], attributes) => pooledShape('maxpool', x, attributes);

export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const X = dense(x);
  winners(x, attributes).forEach((at, i) => {
    Y[i] = at < 0 ? -FLT_MAX : X[at];
  });
  return y;
};

/** The flat index in x of each window's first maximum (−1 for an empty window). */
export function winners(x: Tensor, attributes: Attributes): Int32Array {
  const yShape = shape([x.shape], attributes);
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = yShape;
  const X = dense(x);
  const winner = new Int32Array(sizeOf(yShape));
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const top = p * stride[0] - pad[0];
      for (let q = 0; q < Q; q++) {
        const left = q * stride[1] - pad[1];
        let best = -FLT_MAX;
        let at = -1;
        for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
          for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++) {
            const j = (map * H + h) * W + w;
            // the first maximum: later values must be greater; a NaN wins and stays
            if (at < 0 || X[j] > best || (Number.isNaN(X[j]) && !Number.isNaN(best))) {
              best = X[j];
              at = j;
            }
          }
        }
        winner[i++] = at;
      }
    }
  }
  return winner;
}

/** Who gets a window's gradient where several values are its maximum. */
export type Ties = NonNullable<How['ties']>;
export const ties: readonly Ties[] = ['first', 'every'];

/**
 * dx: each window's dy goes to its maximum, and overlapping windows add up. Of equal maxima the first gets it
 * ('first', the default: PyTorch, Caffe) or each gets all of it ('every': cuda-convnet). A NaN is a winner under
 * 'first' alone, as it equals nothing.
 */
export const backward: Backward<Attributes> = (dy, [x], y, attributes, how = {}) => {
  const { precision = precisionOf(dy), ties: rule = 'first' } = how;
  const DY = gradientOf('maxpool', dy, y.shape);
  const { kernel, stride, pad } = attributes;
  const [, , H, W] = x.shape;
  const [, , P, Q] = y.shape;
  const X = dense(x);
  const dx = zeros(x.shape, 'float64');
  const DX = dx.data;
  for (const [i, at] of winners(x, attributes).entries()) {
    // Y[i] = X[at]; an empty window's value is a constant
    if (at < 0) continue;
    if (rule === 'first') {
      DX[at] += DY[i];
      continue;
    }
    const map = Math.floor(i / (P * Q));
    const top = (Math.floor(i / Q) % P) * stride[0] - pad[0];
    const left = (i % Q) * stride[1] - pad[1];
    for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
      for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++) {
        const j = (map * H + h) * W + w;
        if (X[j] === X[at]) DX[j] += DY[i];
      }
    }
  }
  return [cast(dx, precision)];
};
