/** The square that covers a part of the picture: so many pixels wide, at so many places along an axis. */
import type { Network } from '../../reference/networks/layers.ts';

export interface Cover {
  readonly size: number;
  readonly places: number;
}

export const coverOf = ({ input: [, , W] }: Network): Cover => ({
  size: Math.max(2, Math.ceil(W / 5)),
  places: W < 64 ? 12 : 9,
});

/** Where place `at` begins on an axis of `extent` pixels: from edge to edge. */
export const beginOf = (at: number, { size, places }: Cover, extent: number): number =>
  Math.floor((at * (extent - size)) / (places - 1) + 0.5);
