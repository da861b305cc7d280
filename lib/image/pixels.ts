/** Pixels that somebody has decoded already: a camera, a canvas, another library. */
import type { Image } from '../../reference/input/preprocess.ts';
import { overWhite } from './png.ts';

export interface Pixels {
  /** Row by row from the top, a byte a sample: grey (one a pixel), RGB (three), or RGBA (four, not premultiplied). */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** In RGB, over white as transparent PNGs are. */
export function imageOf({ data, width, height }: Pixels): Image {
  const size = width * height;
  if (data.length === 4 * size) return overWhite(data, { width, height }, 8);
  if (data.length === 3 * size) return { width, height, data: Uint8Array.from(data) };
  const rgb = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) rgb.fill(data[i], 3 * i, 3 * i + 3);
  return { width, height, data: rgb };
}
