/**
 * Flattens all but the batch axis, in front of the fully connected layers.
 *
 *   y[n, (c·H + h)·W + w] = x[n,c,h,w]     order 'CHW'
 *   y[n, (h·W + w)·C + c] = x[n,c,h,w]     order 'HWC'
 *
 * Paper   does not say in which order.
 * ONNX    Flatten, axis 1, since opset 1.
 * Clash   Caffe, PyTorch and cuda-convnet flatten C,H,W; TensorFlow's NHWC networks H,W,C, so fc6 differs.
 */
import {
  allocate,
  cast,
  dense,
  type Precision,
  precisionOf,
  reshape,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import { gradientOf } from './dy.ts';

export interface Attributes {
  readonly order: 'CHW' | 'HWC';
}

export const shape = (x: Shape): Shape => [x[0], sizeOf(x.slice(1))];

export function forward(
  x: Tensor,
  { order }: Attributes,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const yShape = shape(x.shape);
  if (order === 'CHW' || x.dimension !== 4) return { y: reshape(cast(x, precision), yShape) };
  const [N, C, H, W] = x.shape;
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) Y[(n * H * W + p) * C + c] = X[(n * C + c) * H * W + p];
    }
  }
  return { y: tensor(Y, yShape) };
}

/** dx, for an x of shape `x`: the same values back in their places. */
export function backward(
  dy: Tensor,
  x: Shape,
  { order }: Attributes,
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  const DY = gradientOf('flatten', dy, shape(x));
  if (order === 'CHW' || x.length !== 4) return { dx: reshape(cast(dy, precision), x) };
  const [N, C, H, W] = x;
  const DX = allocate(DY.length, precision);
  // Y[(n * H * W + p) * C + c] = X[(n * C + c) * H * W + p]
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) DX[(n * C + c) * H * W + p] = DY[(n * H * W + p) * C + c];
    }
  }
  return { dx: tensor(DX, x) };
}
