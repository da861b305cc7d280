/**
 * Concatenation along channels: where conv3 and the fully connected layers see both towers.
 *
 * Paper   section 3.5: "The kernels of the third convolutional layer are connected to all kernel maps in the second
 *         layer."
 * ONNX    Concat, axis 1.
 * Letters xs (N,C₁,…), (N,C₂,…), …; y (N,ΣC,…).
 */
import { dense, precisionOf, sizeOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export const shape: ShapeOf = (xs) => {
  const [first] = xs;
  for (const x of xs) {
    const fits = x.length === first.length && x.every((extent, axis) => axis === 1 || extent === first[axis]);
    if (!fits || x.length < 2)
      throw new RangeError(`concat: shapes must agree but for channels ([${first}] and [${x}])`);
  }
  return [first[0], xs.reduce((sum, x) => sum + x[1], 0), ...first.slice(2)];
};

export const forward: Forward = (xs, _, precision = precisionOf(xs[0])) => {
  const y = zeros(shape(xs.map((x) => x.shape)), precision);
  let at = 0;
  for (let n = 0; n < y.shape[0]; n++) {
    for (const x of xs) {
      const size = sizeOf(x.shape) / x.shape[0];
      y.data.set(dense(x).subarray(n * size, (n + 1) * size), at);
      at += size;
    }
  }
  return y;
};

/** The gradient of each input: its part of dy. */
export const backward: Backward = (dy, xs, y, _, { precision = precisionOf(dy) } = {}) => {
  const DY = gradientOf('concat', dy, y.shape);
  const dxs = xs.map((x) => zeros(x.shape, precision));
  let at = 0;
  for (let n = 0; n < y.shape[0]; n++) {
    for (const dx of dxs) {
      const size = dx.data.length / y.shape[0];
      // y.data.set(dense(x).subarray(n * size, (n + 1) * size), at)
      dx.data.set(DY.subarray(at, at + size), n * size);
      at += size;
    }
  }
  return dxs;
};
