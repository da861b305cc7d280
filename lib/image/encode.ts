/** Pictures into JPEG, for pages that show them. */
import jpeg from 'jpeg-js';
import type { Image } from '../../reference/input/preprocess.ts';

const QUALITY = 90;

/** The bytes of a JPEG file, colours at full resolution. */
export function encodeJpeg({ width, height, data }: Image): Uint8Array {
  const rgba = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
  return jpeg.encode({ width, height, data: rgba }, QUALITY).data;
}
