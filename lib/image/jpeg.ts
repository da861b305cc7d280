/**
 * JPEG to upright RGB, by jpeg-js.
 *
 * The decoder gets a file of the segments that make the pixels and of nothing that could trip it. It is told what
 * libjpeg would conclude about colour (jdapimin.c, default_decompress_parms), and how much memory this very picture
 * needs. CMYK and YCCK are taken as inverted, as Adobe writes them and Pillow reads them, and become RGB by
 * R = K·(1 − C). Colours of ordinary pictures are converted here, in libjpeg's arithmetic (jpeg-colour.ts). What
 * differs from libjpeg is the rounding of the inverse DCT, by one grey level of luma or chroma, and subsampled
 * CMYK, of which the decoder shows only the mixture: its samples stay repeated.
 */
import jpeg from 'jpeg-js';
import { joined } from '../../export/wire.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';
import { checkScans, checkSize } from './admit.ts';
import { type Ratio, smooth, toRgb } from './jpeg-colour.ts';
import { type JpegHeader, readJpegHeader } from './jpeg-header.ts';
import { checkScansFit, needsStandardTables, standardTables } from './jpeg-scans.ts';
import { exifOrientation, upright } from './orientation.ts';

export interface JpegOptions {
  /** Samples that the scans may visit, in thousands of millions; default 2. */
  readonly scanBudget?: number;
}

/** Decodes a JPEG. Throws InputError, one line starting with `name`, if it cannot. */
export function decodeJpeg(bytes: Uint8Array, name: string, { scanBudget }: JpegOptions = {}): Image {
  const header = readJpegHeader(bytes, name);
  const { width, height, scans, exif } = header;
  checkSize(width, height, name);
  const blocks = countBlocks(header);
  checkLength(header, sum(blocks.coded), name);
  const visits = scans.map(({ components }) => sum(components.map(({ index }) => blocks.coded[index])));
  checkScans(scans.length, 64 * sum(visits), name, scanBudget);
  checkScansFit(header, name);
  const image = decode(header, sum(blocks.held), name);
  return exif ? upright(image, exifOrientation(exif) ?? 1) : image;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** 8×8 blocks of each component: as held in memory, whole units of all components, and as coded at the least. */
function countBlocks({ width, height, components }: JpegHeader) {
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const units = Math.ceil(width / 8 / maxH) * Math.ceil(height / 8 / maxV);
  return {
    held: components.map(({ h, v }) => units * h * v),
    coded: components.map(
      ({ h, v }) => Math.ceil((width * h) / maxH / 8) * Math.ceil((height * v) / maxV / 8),
    ),
  };
}

/**
 * A coded block takes at least two bits (a code for its DC, one for the end of block), one in a progressive
 * picture (in its first scan): a file shorter than that is cut off, whatever size its header claims.
 */
function checkLength({ width, height, progressive, length }: JpegHeader, coded: number, name: string) {
  if (length * 8 < coded * (progressive ? 1 : 2)) {
    throw new InputError(`${name}: truncated JPEG (${width}×${height} does not fit into ${length} bytes)`);
  }
}

/** Whether there are three components and they are Y, Cb and Cr, as libjpeg guesses. */
function isYCbCr({ jfif, adobe, components }: JpegHeader): boolean {
  if (components.length !== 3) return false;
  if (jfif) return true;
  if (adobe !== undefined) return adobe !== 0;
  return components.map(({ id }) => id).join() !== '82,71,66'; // 'R', 'G', 'B'
}

/** The decoder takes four components only behind an Adobe segment; this one tells of no transform. */
const ADOBE = Uint8Array.of(0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0);

/** A file of the segments that make the pixels. Without an Adobe segment three components come out as they are. */
function essential(header: JpegHeader): Uint8Array {
  return joined([
    Uint8Array.of(0xff, 0xd8),
    ...(header.components.length === 4 ? [ADOBE] : []),
    ...(needsStandardTables(header) ? [standardTables()] : []),
    ...header.pixels,
    Uint8Array.of(0xff, 0xd9),
  ]);
}

function decode(header: JpegHeader, blocks: number, name: string): Image {
  const { components } = header;
  const pixels = header.width * header.height;
  const bytes = essential(header);
  // coefficients (4 bytes), samples, interleaved samples, RGB; then the tables, each smaller than 8 times its bytes
  const memory = blocks * 64 * 5 + pixels * (components.length + 3) + 8 * bytes.length + 65536;
  try {
    const image = jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      colorTransform: components.length === 4 && header.adobe === 2,
      maxResolutionInMP: megapixels(pixels),
      maxMemoryUsageInMB: memory / 2 ** 20,
    });
    if (components.length === 3) smooth(image, ratios(header));
    if (isYCbCr(header)) toRgb(image.data);
    return { width: image.width, height: image.height, data: image.data };
  } catch (error) {
    throw new InputError(`${name}: ${explainFailure(error as Error)}`);
  }
}

/**
 * A limit that the decoder does not round below the picture itself: it multiplies by 1000 twice, and
 * 720·576 / 1e6 · 1000 · 1000 is less than 720·576. Half a pixel outweighs every such rounding.
 */
export const megapixels = (pixels: number): number => (pixels + 0.5) / 1e6;

function ratios({ components }: JpegHeader): Ratio[] {
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  return components.map(({ h, v }) => ({ x: maxH / h, y: maxV / v }));
}

/** What the decoder met, in our words. */
function explainFailure({ message }: Error): string {
  if (/marker was not found|unexpected marker: ffd9/.test(message)) {
    return 'truncated JPEG (its data end before the picture does)';
  }
  if (/unexpected marker/.test(message)) return 'damaged JPEG (a segment begins within the data of a scan)';
  if (/Huffman Table/.test(message)) return 'damaged JPEG (a Huffman table has more codes than there can be)';
  return 'damaged JPEG (its data hold a code that no table has)';
}
