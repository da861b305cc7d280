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
import { dense, type Precision, precisionOf, type Shape, type Tensor, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export interface Attributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
  /** Whether α is divided by size². */
  readonly divide: boolean;
}

export const shape: ShapeOf<Attributes> = ([x], { size }) => {
  if (x.length !== 4) throw new RangeError(`mapnorm: x must have 4 dimensions (shape = [${x}])`);
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`mapnorm: size must be a positive integer (= ${size})`);
  return x;
};

/** α′. */
const scaleOf = ({ alpha, size, divide }: Attributes): number => (divide ? alpha / (size * size) : alpha);

/** y = x / s^β. */
export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const X = dense(x);
  const s = denominators(x, attributes);
  for (let i = 0; i < X.length; i++) Y[i] = X[i] * invPow(s[i], attributes.beta);
  return y;
};

/** s, in float64. */
export function denominators(x: Tensor, attributes: Attributes): Float64Array {
  const { size, k } = attributes;
  const squares = new Float64Array(dense(x)).map((v) => v * v);
  const scale = scaleOf(attributes);
  return windowSums(squares, x.shape, size, Math.floor(size / 2)).map((sum) => k + scale * sum);
}

/** Of every pixel (h, w) the sum of `values` in the size×size window that starts `before` it, inside the map. */
function windowSums(values: Float64Array, [N, C, H, W]: Shape, size: number, before: number): Float64Array {
  const sums = new Float64Array(values.length);
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let h = 0; h < H; h++) {
      for (let w = 0; w < W; w++, i++) {
        for (let u = Math.max(0, h - before); u < Math.min(H, h - before + size); u++) {
          for (let v = Math.max(0, w - before); v < Math.min(W, w - before + size); v++) {
            sums[i] += values[(map * H + u) * W + v];
          }
        }
      }
    }
  }
  return sums;
}

/**
 * dx = dy·s^−β − 2βα′·x·Σ { dy·x·s^−(β+1) at (i,j) : (h,w) in the window around (i,j) }. Of an even window, which
 * starts n/2 before its centre, the mirror image starts n/2 − 1 before it.
 */
export const backward: Backward<Attributes> = (dy, [x], _y, attributes, how = {}) => [
  inputGradient(dy, x, denominators(x, attributes), attributes, how.precision),
];

/** dx for a given s. */
export function inputGradient(
  dy: Tensor,
  x: Tensor,
  s: Float64Array,
  attributes: Attributes,
  precision: Precision = precisionOf(dy),
): Tensor {
  const { size, beta } = attributes;
  const scale = scaleOf(attributes);
  const DY = gradientOf('mapnorm', dy, shape([x.shape], attributes));
  const X = dense(x);
  const dx = zeros(x.shape, precision);
  const DX = dx.data;
  // Y[i] = X[i] * invPow(s[i], beta), differentiated by s[i]: −β · through[i]
  const through = s.map((v, i) => (DY[i] * X[i] * invPow(v, beta)) / v);
  // s = k + scale * sum, where the sum has X[i]² for every window that holds pixel i
  const sums = windowSums(through, x.shape, size, size - 1 - Math.floor(size / 2));
  for (let i = 0; i < X.length; i++) {
    DX[i] = DY[i] * invPow(s[i], beta) - 2 * beta * scale * X[i] * sums[i];
  }
  return dx;
}
