/** Pixels that somebody has decoded already: a camera, a canvas, another library. */
import type { Image } from '../../reference/input/preprocess.ts';

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
  if (data.length === 3 * size) return { width, height, data: new Uint8Array(data) };
  const rgb = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) rgb.fill(data[i], 3 * i, 3 * i + 3);
  return { width, height, data: rgb };
}

/** RGBA samples of `depth` bits to 8-bit RGB over white. */
export function overWhite(
  rgba: ArrayLike<number>,
  { width, height }: Pick<Image, 'width' | 'height'>,
  depth: number,
): Image {
  const data = new Uint8Array(3 * width * height);
  const shift = depth === 16 ? 8 : 0;
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  for (let from = 0, to = 0; to < data.length; from += 4) {
    const alpha = (rgba[from + 3] >> shift) * scale;
    for (let c = 0; c < 3; c++) {
      const value = (rgba[from + c] >> shift) * scale;
      data[to++] = alpha === 255 ? value : Math.floor((value * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return { width, height, data };
}
