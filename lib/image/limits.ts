/** How much a picture may ask for. Checked on its header, before anything is allocated for its pixels. */
import { InputError } from '../errors.ts';

/** Larger pictures are refused. */
export const MAX_MEGAPIXELS = 100;
/** JPEG's own limit, and PNG's here. */
export const MAX_SIDE = 65535;
/** Larger files are refused without being read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;

/** Throws InputError if the size is zero or beyond the limits. */
export function checkSize(width: number, height: number, name: string): void {
  const size = `${width}×${height}`;
  if (width < 1 || height < 1) throw new InputError(`${name}: the picture has no pixels (${size})`);
  if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_MEGAPIXELS * 1e6) {
    throw new InputError(
      `${name}: ${size} is too large (at most ${MAX_MEGAPIXELS} megapixels, ${MAX_SIDE} a side)`,
    );
  }
}
