/** The square that covers a part of the picture: so many pixels wide, at so many places along an axis. */
import type { Network } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';

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

/** (places,C,H,W): an input (1,C,H,W) with the square at each place of a row. What it covers becomes the mean: 0. */
export function coveredRow(input: Tensor, cover: Cover, row: number): Tensor {
  const [, C, H, W] = input.shape;
  const { size, places } = cover;
  const batch = new Float32Array(places * C * H * W);
  const top = beginOf(row, cover, H);
  for (let place = 0; place < places; place++) {
    const one = batch.subarray(place * C * H * W, (place + 1) * C * H * W);
    one.set(dense(input));
    const left = beginOf(place, cover, W);
    for (let c = 0; c < C; c++)
      for (let h = top; h < top + size; h++)
        one.fill(0, (c * H + h) * W + left, (c * H + h) * W + left + size);
  }
  return tensor(batch, [places, C, H, W]);
}
