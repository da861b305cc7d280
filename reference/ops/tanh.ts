/**
 * Hyperbolic tangent, the saturating non-linearity that the paper compares ReLU with.
 *
 *   y = tanh(x)
 *
 * Paper   section 3.1 and figure 1.
 * ONNX    Tanh, since opset 1.
 */
import * as math from '../math.ts';
import { allocate, dense, type Precision, precisionOf, type Shape, type Tensor, tensor } from '../tensor.ts';
import { gradientOf } from './dy.ts';

export const shape = (x: Shape): Shape => x;

export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) Y[i] = math.tanh(X[i]);
  return { y: tensor(Y, x.shape) };
}

/** dx from forward's y: tanh′ = 1 − tanh². */
export function backward(dy: Tensor, y: Tensor, precision: Precision = precisionOf(dy)): { dx: Tensor } {
  const [DY, Y] = [gradientOf('tanh', dy, y.shape), dense(y)];
  const DX = allocate(Y.length, precision);
  // Y[i] = tanh(X[i]); 1 − y² in factors, which do not cancel near ±1
  for (let i = 0; i < Y.length; i++) DX[i] = DY[i] * (1 - Y[i]) * (1 + Y[i]);
  return { dx: tensor(DX, y.shape) };
}
