/**
 * Where a pooling window lies, and how many windows there are. Frameworks disagree about the number.
 *
 * floor   PyTorch's and ONNX's default: only whole windows (of the padded input).
 * onnx    ceil_mode = 1 of ONNX and PyTorch: a partial last window too, unless it would start in the right padding.
 * caffe   Caffe (pooling_layer.cpp) and cuda-convnet (layer.py): round up; Caffe drops a last window that starts in
 *         the padding only where there is padding, so with stride > kernel the last window can be empty.
 *
 * All agree on AlexNet's 55, 27 and 13; on the zoo's 54, 26 and 12 they do not.
 */
import type { Shape } from '../tensor.ts';

export type Rounding = 'floor' | 'onnx' | 'caffe';

export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  /** [top, left, bottom, right]. */
  readonly pad: readonly [number, number, number, number];
  readonly rounding: Rounding;
}

/** (N,C,P,Q). Errors name `operation`. */
export function pooledShape(operation: string, x: Shape, { kernel, stride, pad, rounding }: Window): Shape {
  if (x.length !== 4) throw new RangeError(`${operation}: x must have 4 dimensions (shape = [${x}])`);
  if (![...kernel, ...stride].every((v) => Number.isInteger(v) && v > 0)) {
    throw new RangeError(
      `${operation}: kernel and stride must be positive integers (= [${kernel}], [${stride}])`,
    );
  }
  const begin = pad.slice(0, 2);
  const end = pad.slice(2);
  if (!pad.every((v, i) => Number.isInteger(v) && v >= 0 && v < kernel[i % 2])) {
    throw new RangeError(
      `${operation}: pad must be integers from 0 to below the kernel (= [${pad}], kernel = [${kernel}])`,
    );
  }
  const extents = [0, 1].map((axis) => {
    const extent = x[2 + axis];
    const padded = begin[axis] + end[axis] > 0;
    const steps = (extent + begin[axis] + end[axis] - kernel[axis]) / stride[axis];
    if (steps < 0 && rounding !== 'caffe') return 0;
    const count = (rounding === 'floor' ? Math.floor(steps) : Math.ceil(steps)) + 1;
    const startsOutside = (count - 1) * stride[axis] >= extent + begin[axis];
    return startsOutside && (rounding === 'onnx' || (rounding === 'caffe' && padded)) ? count - 1 : count;
  });
  if (extents.some((extent) => extent < 1)) {
    throw new RangeError(
      `${operation}: the window [${kernel}] does not fit the padded input (x = [${x}], pad = [${pad}])`,
    );
  }
  return [x[0], x[1], ...extents];
}
