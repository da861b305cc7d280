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

export const shape = (x: Shape): Shape => x;

export function forward(x: Tensor, precision: Precision = precisionOf(x)): { y: Tensor } {
  const X = dense(x);
  const Y = allocate(X.length, precision);
  for (let i = 0; i < X.length; i++) Y[i] = math.tanh(X[i]);
  return { y: tensor(Y, x.shape) };
}
