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
import {
  allocate,
  cast,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import { gradientOf } from './dy.ts';

export interface Attributes {
  /** [P, Q]. */
  readonly size: readonly [number, number];
}

export function shape(x: Shape, { size }: Attributes): Shape {
  if (x.length !== 4) throw new Error(`adaptiveavgpool: x must have 4 dimensions (shape = [${x}])`);
  if (!size.every((v) => Number.isInteger(v) && v > 0)) {
    throw new Error(`adaptiveavgpool: size must be positive integers (= [${size}])`);
  }
  return [x[0], x[1], ...size];
}

export function forward(
  x: Tensor,
  attributes: Attributes,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const yShape = shape(x.shape, attributes);
  const [N, C, H, W] = x.shape;
  const [, , P, Q] = yShape;
  const X = dense(x);
  const Y = allocate(sizeOf(yShape), precision);
  let y = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const [top, bottom] = [Math.floor((p * H) / P), Math.ceil(((p + 1) * H) / P)];
      for (let q = 0; q < Q; q++) {
        const [left, right] = [Math.floor((q * W) / Q), Math.ceil(((q + 1) * W) / Q)];
        let sum = 0;
        for (let h = top; h < bottom; h++) for (let w = left; w < right; w++) sum += X[(map * H + h) * W + w];
        Y[y++] = sum / ((bottom - top) * (right - left));
      }
    }
  }
  return { y: tensor(Y, yShape) };
}

/** dx, for an x of shape `x`: each pixel of a bin gets dy / the bin's size, and overlapping bins add up. */
export function backward(
  dy: Tensor,
  x: Shape,
  attributes: Attributes,
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  const [N, C, P, Q] = shape(x, attributes);
  const [, , H, W] = x;
  const DY = gradientOf('adaptiveavgpool', dy, [N, C, P, Q]);
  const sums = new Float64Array(sizeOf(x));
  let y = 0;
  for (let map = 0; map < N * C; map++) {
    for (let p = 0; p < P; p++) {
      const [top, bottom] = [Math.floor((p * H) / P), Math.ceil(((p + 1) * H) / P)];
      for (let q = 0; q < Q; q++) {
        const [left, right] = [Math.floor((q * W) / Q), Math.ceil(((q + 1) * W) / Q)];
        // Y[y++] = sum / ((bottom - top) * (right - left)), where sum += X[(map * H + h) * W + w]
        const share = DY[y++] / ((bottom - top) * (right - left));
        for (let h = top; h < bottom; h++)
          for (let w = left; w < right; w++) sums[(map * H + h) * W + w] += share;
      }
    }
  }
  return { dx: cast(tensor(sums, x), precision) };
}
