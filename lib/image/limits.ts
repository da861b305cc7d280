/** How much a picture may ask for. Checked on its header, before anything is allocated for its pixels. */
import { InputError } from '../errors.ts';

/** Larger pictures are refused. */
export const MAX_MEGAPIXELS = 100;
/** JPEG's own limit, and PNG's here. */
export const MAX_SIDE = 65535;
/** Larger files are refused without being read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;
/**
 * Samples that the scans of a JPEG may visit, in thousands of millions. An encoder's ten scans visit each sample about
 * five times: 100 megapixels in three colours stay below.
 */
export const SCAN_BUDGET = 2;

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

/** Throws InputError if so many scans visit more samples than `budget`, which is in thousands of millions. */
export function checkScans(scans: number, samples: number, name: string, budget = SCAN_BUDGET): void {
  if (samples <= budget * 1e9) return;
  throw new InputError(
    `${name}: ${scans} scans visit ${(samples / 1e9).toFixed(1)} thousand million samples, ` +
      `over the budget of ${budget} (predict --scan-budget N, or save it as a baseline JPEG)`,
  );
}
