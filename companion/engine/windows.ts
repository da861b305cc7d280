/** Windows in a map: which pixels an output reads, those outside the map left out. */
import * as ops from '../../reference/ops/index.ts';
import type { Window } from '../../reference/ops/window.ts';
import type { Shape } from '../../reference/tensor.ts';

export interface Pixels {
  /** Flat indices, row by row. */
  readonly at: readonly number[];
  /** Rows, columns. */
  readonly window: readonly [number, number];
  /** The window's corner, which may lie outside. */
  readonly top: number;
  readonly left: number;
}

/** Of a pooling layer's output. */
export function pooled({ kernel, stride, pad }: Window, x: Shape, [, , P, Q]: Shape, index: number): Pixels {
  const top = (Math.floor(index / Q) % P) * stride[0] - pad[0];
  const left = (index % Q) * stride[1] - pad[1];
  return rectangle(x, Math.floor(index / (P * Q)), top, left, kernel);
}

/** The size×size neighbours of a value in its own map, from `before` it on. */
export function neighbours(size: number, x: Shape, index: number, before = Math.floor(size / 2)): Pixels {
  const [, , H, W] = x;
  const row = Math.floor(index / W) % H;
  return rectangle(x, Math.floor(index / (H * W)), row - before, (index % W) - before, [size, size]);
}

/** Of adaptive pooling. */
export function binned([, , H, W]: Shape, [, , P, Q]: Shape, index: number): Pixels {
  const [top, bottom] = ops.adaptiveavgpool.bin(Math.floor(index / Q) % P, P, H);
  const [left, right] = ops.adaptiveavgpool.bin(index % Q, Q, W);
  return rectangle([1, 1, H, W], Math.floor(index / (P * Q)), top, left, [bottom - top, right - left]);
}

function rectangle(
  [, , H, W]: Shape,
  map: number,
  top: number,
  left: number,
  [R, S]: readonly [number, number],
): Pixels {
  const rows = range(Math.max(top, 0), Math.min(top + R, H));
  const columns = range(Math.max(left, 0), Math.min(left + S, W));
  const at = rows.flatMap((h) => columns.map((v) => (map * H + h) * W + v));
  return { at, window: [rows.length, columns.length], top, left };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
