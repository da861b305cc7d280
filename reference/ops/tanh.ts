/**
 * Hyperbolic tangent, the saturating non-linearity that the paper compares ReLU with.
 *
 *   y = tanh(x)
 *
 * Paper   section 3.1 and figure 1.
 * ONNX    Tanh, since opset 1.
 */
import * as math from '../math.ts';
import { dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export const shape: ShapeOf = ([x]) => x;

export const forward: Forward = ([x], _, precision = precisionOf(x)) => {
  const X = dense(x);
  const y = zeros(x.shape, precision);
  const Y = y.data;
  for (let i = 0; i < X.length; i++) Y[i] = math.tanh(X[i]);
  return y;
};

/** dx from y: tanh′ = 1 − tanh². */
export const backward: Backward = (dy, _operands, y, _, { precision = precisionOf(dy) } = {}) => {
  const DY = gradientOf('tanh', dy, y.shape);
  const Y = dense(y);
  const dx = zeros(y.shape, precision);
  const DX = dx.data;
  // Y[i] = tanh(X[i]); 1 − y² in factors, which do not cancel near ±1
  for (let i = 0; i < Y.length; i++) DX[i] = DY[i] * (1 - Y[i]) * (1 + Y[i]);
  return [dx];
};
