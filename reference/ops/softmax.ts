/**
 * Softmax over classes.
 *
 *   y[n,k] = e^(x[n,k] − m) / Σ_j e^(x[n,j] − m),   m = max_j x[n,j]
 *
 * Paper   section 3.5: the last layer feeds a 1000-way softmax.
 * ONNX    Softmax, axis 1 written out: the default axis is 1 (flattening) until opset 12 and −1 from 13.
 * Letters x, y (N,K).
 */
import * as math from '../math.ts';
import { dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export const shape: ShapeOf = ([x]) => {
  if (x.length !== 2) throw new RangeError(`softmax: x must have 2 dimensions (shape = [${x}])`);
  return x;
};

export const forward: Forward = ([x], _, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape]), precision);
  const Y = y.data;
  const [N, K] = x.shape;
  const X = dense(x);
  const e = new Float64Array(K);
  for (let n = 0; n < N; n++) {
    let m = -Infinity;
    for (let k = 0; k < K; k++) if (!(X[n * K + k] <= m)) m = X[n * K + k];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += e[k] = math.exp(X[n * K + k] - m);
    for (let k = 0; k < K; k++) Y[n * K + k] = e[k] / sum;
  }
  return y;
};

/** dx from y: the Jacobian ∂y[j]/∂x[k] = y[j]·([j = k] − y[k]), written out. */
export const backward: Backward = (dy, _operands, y, _, { precision = precisionOf(dy) } = {}) => {
  const [N, K] = shape([y.shape]);
  const DY = gradientOf('softmax', dy, y.shape);
  const Y = dense(y);
  const dx = zeros(y.shape, precision);
  const DX = dx.data;
  for (let n = 0; n < N; n++) {
    for (let k = 0; k < K; k++) {
      // y[j] = e[j] / sum: through e[j] for j = k, and through the sum for every j
      let sum = 0;
      for (let j = 0; j < K; j++) sum += DY[n * K + j] * Y[n * K + j] * ((j === k ? 1 : 0) - Y[n * K + k]);
      DX[n * K + k] = sum;
    }
  }
  return [dx];
};
