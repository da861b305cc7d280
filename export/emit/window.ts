/**
 * Explicit end pads for pooling, so that one rounding rule (whole windows only) serves for all three of window.ts.
 *
 * ceil_mode is not written: engines and ONNX versions disagree about its last window and its divisor. A
 * window that lies outside the image altogether (Caffe's rounding, stride > kernel) needs a pad as large as
 * the kernel, which ONNX's pooling does not take.
 */
import { pooledShape, type Window } from '../../reference/ops/window.ts';
import type { Dims } from '../operators.ts';

/** [top, left, bottom, right] with which ⌊·⌋ gives the oracle's number of windows; unused rows need no pad. */
export function explicitPads(operation: string, x: Dims, window: Window): [number, number, number, number] {
  const { kernel, stride, pad } = window;
  const shape = [1, ...x.slice(1)] as number[];
  const counts = pooledShape(operation, shape, window).slice(2);
  const end = counts.map((count, axis) =>
    Math.max(0, (count - 1) * stride[axis] + kernel[axis] - shape[2 + axis] - pad[axis]),
  );
  return [pad[0], pad[1], end[0], end[1]];
}

/** Whether the last window on some axis lies outside the image. */
export const hasEmptyWindow = (pads: readonly number[], { kernel }: Window): boolean =>
  pads[2] >= kernel[0] || pads[3] >= kernel[1];

/** The pads of Pad for a tensor (N,C,H,W). */
export const imagePads = (pads: readonly number[]): number[] => [
  0,
  0,
  ...pads.slice(0, 2),
  0,
  0,
  ...pads.slice(2),
];
