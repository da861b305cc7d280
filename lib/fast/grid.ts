/** The tables of byte offsets through which operands are read and results are written. */
import type { Shape } from '../../reference/tensor.ts';

/** Offsets of a dense grid of points, the last axis fastest: Σ index[axis] · strides[axis]. */
export function grid(extents: Shape, strides: readonly number[]): Int32Array {
  let offsets = new Int32Array(1);
  for (const [axis, extent] of extents.entries()) {
    const next = new Int32Array(offsets.length * extent);
    for (let i = 0; i < next.length; i++) {
      next[i] = offsets[Math.floor(i / extent)] + (i % extent) * strides[axis];
    }
    offsets = next;
  }
  return offsets;
}
