/**
 * Rectified linear unit.
 *
 *   y = max(0, x)
 *
 * Paper   section 3.1, f(x) = max(0, x).
 * ONNX    Relu, since opset 1.
 * Clash   NaN stays NaN (ONNX, PyTorch), it does not become 0.
 */
import { allocate, dense, type Precision, precisionOf, type Shape, type Tensor, tensor } from '../tensor.ts';
import { gradientOf } from './dy.ts';

export const shape = (x: Shape): Shape => x;

export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) Y[i] = X[i] > 0 || Number.isNaN(X[i]) ? X[i] : 0;
  return { y: tensor(Y, x.shape) };
}

/** dx from forward's y: dy where y > 0, else 0 (at x = 0 too); a NaN lets dy through, as in PyTorch. */
export function backward(dy: Tensor, y: Tensor, precision: Precision = precisionOf(dy)): { dx: Tensor } {
  const [DY, Y] = [gradientOf('relu', dy, y.shape), dense(y)];
  const DX = allocate(Y.length, precision);
  // Y[i] = X[i] > 0 || Number.isNaN(X[i]) ? X[i] : 0
  for (let i = 0; i < Y.length; i++) DX[i] = Y[i] > 0 || Number.isNaN(Y[i]) ? DY[i] : 0;
  return { dx: tensor(DX, y.shape) };
}
