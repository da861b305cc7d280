/**
 * Dropout: in training each value is dropped with probability `ratio`.
 *
 *   training   y = m·x           test   y = (1 − ratio)·x     convention 'paper'
 *   training   y = m·x/(1−ratio) test   y = x                 convention 'inverted'
 *
 * Paper   section 4.2: ratio 0.5 in the first two fully connected layers; "at test time, we use all the neurons but
 *         multiply their outputs by 0.5".
 * ONNX    Dropout is 'inverted' since opset 7, so an inference graph has Mul (paper) or Identity (inverted).
 * Clash   Caffe, PyTorch and ONNX are 'inverted'. Weights trained one way serve the other only with ½ folded into the
 *         next layer.
 */
import { allocate, dense, type Precision, precisionOf, type Shape, type Tensor, tensor } from '../tensor.ts';

export interface Attributes {
  /** Probability that a value is dropped, 0 ≤ ratio < 1. */
  readonly ratio: number;
  readonly convention: 'paper' | 'inverted';
}

export function shape(x: Shape, { ratio }: Attributes): Shape {
  if (!(ratio >= 0 && ratio < 1))
    throw new Error(`dropout: ratio must be at least 0 and below 1 (= ${ratio})`);
  return x;
}

/** y at test time, or in training where a mask (1 keep, 0 drop; shaped as x) is given. */
export function forward(
  x: Tensor,
  attributes: Attributes,
  mask: Uint8Array | null = null,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const yShape = shape(x.shape, attributes);
  const { ratio, convention } = attributes;
  const X = dense(x);
  if (mask && mask.length !== X.length) {
    throw new Error(`dropout: the mask must have ${X.length} values (= ${mask.length})`);
  }
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) {
    if (mask) Y[i] = mask[i] === 0 ? 0 : convention === 'paper' ? X[i] : X[i] / (1 - ratio);
    else Y[i] = convention === 'paper' ? X[i] * (1 - ratio) : X[i];
  }
  return { y: tensor(Y, yShape) };
}

/** dx, with forward's mask; without one, of the layer at test time. */
export function backward(
  dy: Tensor,
  attributes: Attributes,
  mask: Uint8Array | null = null,
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  // Y[i] is linear in X[i]: mask, ÷ (1 − ratio) and × (1 − ratio) are the same for the gradient
  return { dx: forward(dy, attributes, mask, precision).y };
}
