/**
 * Logistic function.
 *
 *   y = 1 / (1 + e^(−x))
 *
 * Paper   not used by it; section 3.1 names it (with tanh) as the standard that ReLU replaces.
 * ONNX    Sigmoid, since opset 1.
 */
import * as math from '../math.ts';
import { allocate, dense, type Precision, precisionOf, type Shape, type Tensor, tensor } from '../tensor.ts';
import { gradientOf } from './dy.ts';

export const shape = (x: Shape): Shape => x;

export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) Y[i] = math.sigmoid(X[i]);
  return { y: tensor(Y, x.shape) };
}

/** dx from forward's y: σ′ = σ·(1 − σ). */
export function backward(dy: Tensor, y: Tensor, precision: Precision = precisionOf(dy)): { dx: Tensor } {
  const [DY, Y] = [gradientOf('sigmoid', dy, y.shape), dense(y)];
  const DX = allocate(Y.length, precision);
  // Y[i] = sigmoid(X[i])
  for (let i = 0; i < Y.length; i++) DX[i] = DY[i] * Y[i] * (1 - Y[i]);
  return { dx: tensor(DX, y.shape) };
}
