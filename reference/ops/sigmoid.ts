/**
 * Logistic function.
 *
 *   y = 1 / (1 + e^(−x))
 *
 * Paper   not used by it; section 3.1 names it (with tanh) as the standard that ReLU replaces.
 * ONNX    Sigmoid, since opset 1.
 */
import * as math from '../math.ts';
import { dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export const shape: ShapeOf = ([x]) => x;

export const forward: Forward = ([x], _, precision = precisionOf(x)) => {
  const X = dense(x);
  const y = zeros(x.shape, precision);
  const Y = y.data;
  for (let i = 0; i < X.length; i++) Y[i] = math.sigmoid(X[i]);
  return y;
};

/** dx from y: σ′ = σ·(1 − σ). */
export const backward: Backward = (dy, _operands, y, _, { precision = precisionOf(dy) } = {}) => {
  const DY = gradientOf('sigmoid', dy, y.shape);
  const Y = dense(y);
  const dx = zeros(y.shape, precision);
  const DX = dx.data;
  // Y[i] = sigmoid(X[i])
  for (let i = 0; i < Y.length; i++) DX[i] = DY[i] * Y[i] * (1 - Y[i]);
  return [dx];
};
