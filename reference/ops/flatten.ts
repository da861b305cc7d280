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
import { cast, dense, precisionOf, reshape, sizeOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export interface Attributes {
  readonly order: 'CHW' | 'HWC';
}

export const shape: ShapeOf<Attributes> = ([x]) => [x[0], sizeOf(x.slice(1))];

export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const yShape = shape([x.shape], attributes);
  if (attributes.order === 'CHW' || x.dimension !== 4) return reshape(cast(x, precision), yShape);
  const [N, C, H, W] = x.shape;
  const X = dense(x);
  const y = zeros(yShape, precision);
  const Y = y.data;
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) Y[(n * H * W + p) * C + c] = X[(n * C + c) * H * W + p];
    }
  }
  return y;
};

/** dx: the same values back in their places. */
export const backward: Backward<Attributes> = (dy, [x], y, { order }, how = {}) => {
  const { precision = precisionOf(dy) } = how;
  const DY = gradientOf('flatten', dy, y.shape);
  if (order === 'CHW' || x.dimension !== 4) return [reshape(cast(dy, precision), x.shape)];
  const [N, C, H, W] = x.shape;
  const dx = zeros(x.shape, precision);
  const DX = dx.data;
  // Y[(n * H * W + p) * C + c] = X[(n * C + c) * H * W + p]
  for (let n = 0; n < N; n++) {
    for (let c = 0; c < C; c++) {
      for (let p = 0; p < H * W; p++) DX[(n * C + c) * H * W + p] = DY[(n * H * W + p) * C + c];
    }
  }
  return [dx];
};
