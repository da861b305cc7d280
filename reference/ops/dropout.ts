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
import { dense, precisionOf, zeros } from '../tensor.ts';
import type { Backward, Forward, ShapeOf } from './operation.ts';

export interface Attributes {
  /** Probability that a value is dropped, 0 ≤ ratio < 1. */
  readonly ratio: number;
  readonly convention: 'paper' | 'inverted';
}

export const shape: ShapeOf<Attributes> = ([x], { ratio }) => {
  if (!(ratio >= 0 && ratio < 1))
    throw new RangeError(`dropout: ratio must be at least 0 and below 1 (= ${ratio})`);
  return x;
};

/** y at test time, or in training where a mask (1 keep, 0 drop; as many values as x) is given. */
export const forward: Forward<Attributes> = ([x, mask], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const { ratio, convention } = attributes;
  const X = dense(x);
  const M = mask && dense(mask);
  if (M && M.length !== X.length) {
    throw new RangeError(`dropout: the mask must have ${X.length} values (= ${M.length})`);
  }
  for (let i = 0; i < X.length; i++) {
    if (M) Y[i] = M[i] === 0 ? 0 : convention === 'paper' ? X[i] : X[i] / (1 - ratio);
    else Y[i] = convention === 'paper' ? X[i] * (1 - ratio) : X[i];
  }
  return y;
};

/** dx, with forward's mask; without one, of the layer at test time. */
export const backward: Backward<Attributes> = (dy, [, ...mask], _y, attributes, how = {}) => [
  // Y[i] is linear in X[i]: mask, ÷ (1 − ratio) and × (1 − ratio) are the same for the gradient
  forward([dy, ...mask], attributes, how.precision),
];
