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

export const shape = (x: Shape): Shape => x;

export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) Y[i] = X[i] > 0 || Number.isNaN(X[i]) ? X[i] : 0;
  return { y: tensor(Y, x.shape) };
}
