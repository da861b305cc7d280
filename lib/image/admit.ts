/**
 * What is taken for a picture: a JPEG or PNG, told by its first bytes and never by its name, and of a size that is
 * checked on its header, before anything is allocated for its pixels.
 */
import { InputError } from '../errors.ts';
import { fromLatin1 } from '../format/strings.ts';

export type Format = 'JPEG' | 'PNG';

/** Where which text (latin-1) stands in what people have instead of a JPEG or PNG. */
const others: readonly (readonly [at: number, text: string, name: string])[] = [
  [0, 'GIF8', 'a GIF'],
  [8, 'WEBP', 'a WebP picture'],
  [0, 'BM', 'a BMP picture'],
  [0, 'II*\0', 'a TIFF or raw picture'],
  [0, 'MM\0*', 'a TIFF or raw picture'],
  [4, 'ftypavi', 'an AVIF picture'],
  [4, 'ftyphe', 'a HEIC picture'],
  [4, 'ftypmif1', 'a HEIC picture'],
  [4, 'ftyp', 'a film'],
  [0, '\xff\x0a', 'a JPEG XL picture'],
  [4, 'JXL ', 'a JPEG XL picture'],
  [4, 'jP  ', 'a JPEG 2000 picture'],
  [0, '\x93NUMPY', 'a NumPy array'],
  [0, 'PK\x03\x04', 'a zip archive'],
  [0, '%PDF', 'a PDF'],
  [0, '<', 'markup text'],
];

/** The format, or undefined if it is neither JPEG nor PNG. The first 8 bytes are enough. */
export function sniff(bytes: Uint8Array): Format | undefined {
  const head = fromLatin1(bytes.subarray(0, 8));
  if (head.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (head === '\x89PNG\r\n\x1a\n') return 'PNG';
  return undefined;
}

/** What sharp reads, where it is installed. */
const SHARP = /GIF|WebP|TIFF|AVIF/;

/** Why the bytes are neither JPEG nor PNG, to be put after the file's name. */
export function explain(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'the file is empty';
  const head = fromLatin1(bytes.subarray(0, 64));
  const other = others.find(([at, text]) => head.startsWith(text, at));
  const [, , name = 'not a picture'] = other ?? [];
  if (SHARP.test(name))
    return `is ${name}: convert it to JPEG or PNG, or install sharp and use --decoder sharp`;
  return `${other ? 'is ' : ''}${name}: JPEG and PNG can be read`;
}

/** Larger pictures are refused. */
const MAX_MEGAPIXELS = 100;
/** JPEG's own limit, and PNG's here. */
const MAX_SIDE = 65535;
/** Larger files are refused without being read. */
export const MAX_FILE_BYTES = 256 * 2 ** 20;
/**
 * Samples that the scans of a JPEG may visit, in thousands of millions. An encoder's ten scans visit each sample
 * about five times: 100 megapixels in three colours stay below.
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

/** Throws InputError if the scans visit more samples than `budget`, in thousands of millions, allows. */
export function checkScans(scans: number, samples: number, name: string, budget = SCAN_BUDGET): void {
  if (samples <= budget * 1e9) return;
  throw new InputError(
    `${name}: ${scans} scans visit ${(samples / 1e9).toFixed(1)} thousand million samples, ` +
      `over the budget of ${budget} (predict --scan-budget N, or save it as a baseline JPEG)`,
  );
}
