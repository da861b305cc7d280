/**
 * Adaptive average pooling: averages over bins that cover the image, whatever its size.
 *
 *   y[n,c,p,q] = mean { x[n,c,h,w] : ⌊pH/P⌋ ≤ h < ⌈(p+1)H/P⌉, ⌊qW/Q⌋ ≤ w < ⌈(q+1)W/Q⌉ }
 *
 * Paper   not used by it; torchvision's AlexNet has it before fc6, where it is the identity for a 224 input.
 * ONNX    no operator; AveragePool where P divides H and Q divides W.
 * Source  PyTorch, aten/src/ATen/native/AdaptiveAveragePooling.cpp (start_index, end_index).
 * Letters x (N,C,H,W), y (N,C,P,Q).
 */
import { cast, dense, precisionOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export interface Attributes {
  /** [P, Q]. */
  readonly size: readonly [number, number];
}

export const shape: ShapeOf<Attributes> = ([x], { size }) => {
  if (x.length !== 4) throw new RangeError(`adaptiveavgpool: x must have 4 dimensions (shape = [${x}])`);
  if (!size.every((v) => Number.isInteger(v) && v > 0)) {
    throw new RangeError(`adaptiveavgpool: size must be positive integers (= [${size}])`);
  }
  return [x[0], x[1], ...size];
};

/** Bin p of `bins`: the pixels [first, last) of `extent`. */
export const bin = (p: number, bins: number, extent: number): readonly [number, number] => [
  Math.floor((p * extent) / bins),
  Math.ceil(((p + 1) * extent) / bins),
];

export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const Y = y.data;
  const [N, C, H, W] = x.shape;
  const [P, Q] = attributes.size;
  const X = dense(x);
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const [top, bottom] = bin(p, P, H);
      for (let q = 0; q < Q; q++) {
        const [left, right] = bin(q, Q, W);
        let sum = 0;
        for (let h = top; h < bottom; h++) for (let w = left; w < right; w++) sum += X[(map * H + h) * W + w];
        Y[i++] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return y;
};

/** dx: each pixel of a bin gets dy / the bin's size, and overlapping bins add up. */
export const backward: Backward<Attributes> = (dy, [x], y, { size }, how = {}) => {
  const { precision = precisionOf(dy) } = how;
  const DY = gradientOf('adaptiveavgpool', dy, y.shape);
  const [N, C, H, W] = x.shape;
  const [P, Q] = size;
  const dx = zeros(x.shape, 'float64');
  const DX = dx.data;
  let i = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const [top, bottom] = bin(p, P, H);
      for (let q = 0; q < Q; q++) {
        const [left, right] = bin(q, Q, W);
        // Y[i++] = sum / ((bottom - top) * (right - left)), where sum += X[(map * H + h) * W + w]
        const share = DY[i++] / ((bottom - top) * (right - left));
        for (let h = top; h < bottom; h++)
          for (let w = left; w < right; w++) DX[(map * H + h) * W + w] += share;
      }
    }
  }
  return [cast(dx, precision)];
};
