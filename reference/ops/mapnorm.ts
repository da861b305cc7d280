/**
 * Response normalisation within a map: like LRN, but over an n×n neighbourhood of the same channel.
 *
 *   y[n,c,h,w] = x[n,c,h,w] / s[n,c,h,w]^β,   s = k + α′ · Σ { x[n,c,i,j]² : (i,j) in the window around (h,w) }
 *
 * Paper   not in its text, but in the net that ran: configuration 145 of the released source normalises so after norm2
 *         (rnorm: n = 5, α = 1e-3 ÷ 25, β = 0.75).
 * ONNX    no operator; decomposed into AveragePool and arithmetic.
 * Clash   α′ = α/n² with zeros outside the image counted, in Caffe (WITHIN_CHANNEL, lrn_layer.cpp) and cuda-convnet;
 *         k = 1 in both, whatever Caffe's prototxt says; cuda-convnet2 made it an option.
 *         Even windows (cuda-convnet alone; Caffe refuses them) start n/2 before the centre.
 * Letters x, y, s (N,C,H,W).
 */
import { invPow } from '../math.ts';
import { allocate, dense, type Precision, precisionOf, type Shape, type Tensor, tensor } from '../tensor.ts';
import { gradientOf } from './dy.ts';

export interface Attributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  /** Whether α is divided by size². */
  readonly divide: boolean;
}

export function shape(x: Shape, { size }: Attributes): Shape {
  if (x.length !== 4) throw new Error(`mapnorm: x must have 4 dimensions (shape = [${x}])`);
  if (!Number.isInteger(size) || size < 1)
    throw new Error(`mapnorm: size must be a positive integer (= ${size})`);
  return x;
}

/** y in `precision`, and s in float64 for backward. */
export function forward(
  x: Tensor,
  attributes: Attributes,
  precision: Precision = precisionOf(x),
): { y: Tensor; s: Float64Array } {
  const yShape = shape(x.shape, attributes);
  const { size, alpha, beta, k, divide } = attributes;
  const [N, C, H, W] = x.shape;
  const before = Math.floor(size / 2);
  const scale = divide ? alpha / (size * size) : alpha;
  const X = dense(x);
  const Y = allocate(X.length, precision);
  const s = new Float64Array(X.length);
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let h = 0; h < H; h++) {
      for (let w = 0; w < W; w++, i++) {
        let sum = 0;
        for (let u = Math.max(0, h - before); u < Math.min(H, h - before + size); u++) {
          for (let v = Math.max(0, w - before); v < Math.min(W, w - before + size); v++) {
            sum += X[(map * H + u) * W + v] * X[(map * H + u) * W + v];
          }
        }
        s[i] = k + scale * sum;
        Y[i] = X[i] * invPow(s[i], beta);
      }
    }
  }
  return { y: tensor(Y, yShape), s };
}

/**
 * dx = dy·s^−β − 2βα′·x·Σ { dy·x·s^−(β+1) at (i,j) : (h,w) in the window around (i,j) }, with forward's s. Of an even
 * window, which starts n/2 before its centre, the mirror image starts n/2 − 1 before it.
 */
export function backward(
  dy: Tensor,
  x: Tensor,
  s: Float64Array,
  attributes: Attributes,
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  const { size, alpha, beta, divide } = attributes;
  const [N, C, H, W] = shape(x.shape, attributes);
  const before = size - 1 - Math.floor(size / 2);
  const scale = divide ? alpha / (size * size) : alpha;
  const [DY, X] = [gradientOf('mapnorm', dy, x.shape), dense(x)];
  const DX = allocate(X.length, precision);
  // Y[i] = X[i] * invPow(s[i], beta), differentiated by s[i]: −β · through[i]
  const through = s.map((v, i) => (DY[i] * X[i] * invPow(v, beta)) / v);
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let h = 0; h < H; h++) {
      for (let w = 0; w < W; w++, i++) {
        // s[i] = k + scale * sum, where sum += X[…] * X[…] for every window that holds (h, w)
        let sum = 0;
        for (let u = Math.max(0, h - before); u < Math.min(H, h - before + size); u++) {
          for (let v = Math.max(0, w - before); v < Math.min(W, w - before + size); v++) {
            sum += through[(map * H + u) * W + v];
          }
        }
        DX[i] = DY[i] * invPow(s[i], beta) - 2 * beta * scale * X[i] * sum;
      }
    }
  }
  return { dx: tensor(DX, x.shape) };
}
