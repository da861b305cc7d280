/**
 * Average pooling.
 *
 *   y[n,c,p,q] = Σ { x[n,c,h,w] : (h,w) inside window (p,q) and inside the image } / divisor
 *
 * Paper   not used by it; the cuda-convnet CIFAR-10 nets of section 3.3 pool so in their upper layers.
 * ONNX    AveragePool, since opset 1; count_include_pad since 7, ceil_mode since 10.
 * Clash   the divisor. valid: pixels of the window inside the image (ONNX count_include_pad = 0).
 *         window: always R·S (count_include_pad = 1 where no window is cut off).
 *         caffe: the window clipped at the far edge of the padding, H + pad (pooling_layer.cpp; PyTorch and
 *         ONNX since opset 19 do the same for count_include_pad with ceil_mode).
 * Letters x (N,C,H,W), y (N,C,P,Q).
 */
import { cast, dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';
import { pooledShape, type Window } from './window.ts';

export interface Attributes extends Window {
  readonly divisor: 'valid' | 'window' | 'caffe';
}

export const shape: ShapeOf<Attributes> = ([x], attributes) => pooledShape('avgpool', x, attributes);

/** The sum runs in float64, row by row. */
export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = y.shape;
  const X = dense(x);
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const top = p * stride[0] - pad[0];
      for (let q = 0; q < Q; q++) {
        const left = q * stride[1] - pad[1];
        let sum = 0;
        for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
          for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++)
            sum += X[(map * H + h) * W + w];
        }
        Y[i++] = sum / divisorAt(top, left, H, W, attributes);
      }
    }
  }
  return y;
};

/** How many pixels the window at (top, left) is said to have. */
export function divisorAt(
  top: number,
  left: number,
  H: number,
  W: number,
  { kernel, pad, divisor }: Attributes,
): number {
  if (divisor === 'window') return kernel[0] * kernel[1];
  if (divisor === 'caffe') {
    return (Math.min(top + kernel[0], H + pad[2]) - top) * (Math.min(left + kernel[1], W + pad[3]) - left);
  }
  const rows = Math.min(top + kernel[0], H) - Math.max(top, 0);
  const columns = Math.min(left + kernel[1], W) - Math.max(left, 0);
  return rows * columns;
}

/** dx: each pixel of a window gets dy / divisor, and overlapping windows add up. */
export const backward: Backward<Attributes> = (dy, [x], y, attributes, how = {}) => {
  const { precision = precisionOf(dy) } = how;
  const DY = gradientOf('avgpool', dy, y.shape);
  const { kernel, stride, pad } = attributes;
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = y.shape;
  const dx = zeros(x.shape, 'float64');
  const DX = dx.data;
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const top = p * stride[0] - pad[0];
      for (let q = 0; q < Q; q++) {
        const left = q * stride[1] - pad[1];
        // Y[i++] = sum / divisorAt(top, left, H, W, attributes), where sum += X[(map * H + h) * W + w]
        const share = DY[i++] / divisorAt(top, left, H, W, attributes);
        for (let h = Math.max(top, 0); h < Math.min(top + kernel[0], H); h++) {
          for (let w = Math.max(left, 0); w < Math.min(left + kernel[1], W); w++)
            DX[(map * H + h) * W + w] += share;
        }
      }
    }
  }
  return [cast(dx, precision)];
};
