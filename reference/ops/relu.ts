/**
 * Rectified linear unit.
 *
 *   y = max(0, x)
 *
 * Paper   section 3.1, f(x) = max(0, x).
 * ONNX    Relu, since opset 1.
 * Clash   NaN stays NaN (ONNX, PyTorch), it does not become 0.
 */
import { dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export const shape: ShapeOf = ([x]) => x;

export const forward: Forward = ([x], _, precision = precisionOf(x)) => {
  const X = dense(x);
  const y = zeros(x.shape, precision);
  const Y = y.data;
  for (let i = 0; i < X.length; i++) Y[i] = X[i] > 0 || Number.isNaN(X[i]) ? X[i] : 0;
  return y;
};

/** dx from y: dy where y > 0, else 0 (at x = 0 too); a NaN lets dy through, as in PyTorch. */
export const backward: Backward = (dy, _operands, y, _, { precision = precisionOf(dy) } = {}) => {
  const DY = gradientOf('relu', dy, y.shape);
  const Y = dense(y);
  const dx = zeros(y.shape, precision);
  const DX = dx.data;
  // Y[i] = X[i] > 0 || Number.isNaN(X[i]) ? X[i] : 0
  for (let i = 0; i < Y.length; i++) DX[i] = Y[i] > 0 || Number.isNaN(Y[i]) ? DY[i] : 0;
  return [dx];
};
