/**
 * Concatenation along channels: where conv3 and the fully connected layers see both towers.
 *
 * Paper   section 3.5: "The kernels of the third convolutional layer are connected to all kernel maps in the second
 *         layer."
 * ONNX    Concat, axis 1.
 * Letters xs (N,C₁,…), (N,C₂,…), …; y (N,ΣC,…).
 */
import {
  allocate,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import { gradientOf } from './dy.ts';

export function shape(xs: readonly Shape[]): Shape {
  const [first] = xs;
  for (const x of xs) {
    const fits = x.length === first.length && x.every((extent, axis) => axis === 1 || extent === first[axis]);
    if (!fits || x.length < 2)
      throw new Error(`concat: shapes must agree but for channels ([${first}] and [${x}])`);
  }
  return [first[0], xs.reduce((sum, x) => sum + x[1], 0), ...first.slice(2)];
}

export function forward(xs: readonly Tensor[], precision: Precision = precisionOf(xs[0])): { y: Tensor } {
  const yShape = shape(xs.map((x) => x.shape));
  const Y = allocate(sizeOf(yShape), precision);
  let at = 0;
  for (let n = 0; n < yShape[0]; n++) {
    for (const x of xs) {
      const size = sizeOf(x.shape) / x.shape[0];
      Y.set(dense(x).subarray(n * size, (n + 1) * size), at);
      at += size;
    }
  }
  return { y: tensor(Y, yShape) };
}

/** The gradient of each input, for inputs of the shapes `xs`: its part of dy. */
export function backward(
  dy: Tensor,
  xs: readonly Shape[],
  precision: Precision = precisionOf(dy),
): { dxs: Tensor[] } {
  const [N] = shape(xs);
  const DY = gradientOf('concat', dy, shape(xs));
  const DXs = xs.map((x) => allocate(sizeOf(x), precision));
  let at = 0;
  for (let n = 0; n < N; n++) {
    for (const DX of DXs) {
      const size = DX.length / N;
      // Y.set(dense(x).subarray(n * size, (n + 1) * size), at)
      DX.set(DY.subarray(at, at + size), n * size);
      at += size;
    }
  }
  return { dxs: DXs.map((DX, i) => tensor(DX, xs[i])) };
}
