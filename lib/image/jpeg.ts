/**
 * JPEG to upright RGB, by jpeg-js.
 *
 * The decoder is told what libjpeg would conclude about colour (jdapimin.c, default_decompress_parms), and
 * how much memory this very picture needs. CMYK and YCCK are taken as inverted, as Adobe writes them and
 * Pillow reads them, and become RGB by R = K·(1 − C). Colours of ordinary pictures are converted here, in
 * libjpeg's arithmetic (jpeg-colour.ts); what differs from libjpeg is the rounding of the inverse DCT, by one grey
 * level of luma or chroma.
 */
import jpeg from 'jpeg-js';
import type { Image } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';
import { type Ratio, toRgb } from './jpeg-colour.ts';
import { type JpegHeader, readJpegHeader } from './jpeg-header.ts';
import { checkSize } from './limits.ts';
import { exifOrientation, upright } from './orientation.ts';

/**
 * An encoder writes about ten; each scan visits every block again, so thousands in a small file would run for
 * hours.
 */
const MAX_SCANS = 100;

/** Decodes a JPEG. Throws InputError, one line starting with `name`, if it cannot. */
export function decodeJpeg(bytes: Uint8Array, name: string): Image {
  const header = readJpegHeader(bytes, name);
  checkSize(header.width, header.height, name);
  const { held, coded } = countBlocks(header);
  checkLength(header, coded, name);
  const image = decode(header, prepare(bytes.subarray(0, header.length), header), held, name);
  return header.exif ? upright(image, exifOrientation(header.exif)) : image;
}

/** 8×8 blocks of all components: as held in memory, whole units of all components, and as coded at the least. */
function countBlocks({ width, height, components }: JpegHeader): { held: number; coded: number } {
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const units = Math.ceil(width / 8 / maxH) * Math.ceil(height / 8 / maxV);
  const blocks = { held: 0, coded: 0 };
  for (const { h, v } of components) {
    blocks.held += units * h * v;
    blocks.coded += Math.ceil((width * h) / maxH / 8) * Math.ceil((height * v) / maxV / 8);
  }
  return blocks;
}

/**
 * A coded block takes at least two bits (a code for its DC, one for the end of block), one in a progressive
 * picture (in its first scan): a file shorter than that is cut off, whatever size its header claims.
 */
function checkLength({ width, height, progressive, scans, length }: JpegHeader, coded: number, name: string) {
  if (length * 8 < coded * (progressive ? 1 : 2)) {
    throw new InputError(`${name}: truncated JPEG (${width}×${height} does not fit into ${length} bytes)`);
  }
  if (scans > MAX_SCANS) {
    throw new InputError(`${name}: a JPEG of ${scans} scans is refused (at most ${MAX_SCANS})`);
  }
}

/** Whether there are three components and they are Y, Cb and Cr, as libjpeg guesses. */
function isYCbCr({ jfif, adobe, components }: JpegHeader): boolean {
  if (components.length !== 3) return false;
  if (jfif) return true;
  if (adobe !== undefined) return adobe !== 0;
  return components.map(({ id }) => id).join() !== '82,71,66'; // 'R', 'G', 'B'
}

/** What the decoder is to be told of, and what is done here: colours of three components. */
function prepare(bytes: Uint8Array, { components, adobe, adobeAt }: JpegHeader): Uint8Array {
  if (components.length === 3) {
    const plain = Uint8Array.from(bytes); // without a transform: Y, Cb and Cr come out as they are
    for (const at of adobeAt) plain[at] = 0;
    return plain;
  }
  if (components.length === 1 || adobe !== undefined) return bytes;
  // without an Adobe segment the decoder does not take four components: they are CMYK
  const segment = [0xff, 0xee, 0, 14, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, 0];
  return Buffer.concat([bytes.subarray(0, 2), Uint8Array.from(segment), bytes.subarray(2)]);
}

function decode(header: JpegHeader, bytes: Uint8Array, blocks: number, name: string): Image {
  const pixels = header.width * header.height;
  // coefficients (4 bytes), samples, interleaved samples, RGB; then the tables, each smaller than 8 times its bytes
  const memory = blocks * 64 * 5 + pixels * (header.components.length + 3) + 8 * bytes.length + 65536;
  try {
    const { width, height, data } = jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      colorTransform: header.components.length === 4 && header.adobe === 2,
      maxResolutionInMP: megapixels(pixels),
      maxMemoryUsageInMB: memory / 2 ** 20,
    });
    if (isYCbCr(header)) toRgb(data, width, height, chromaRatio(header));
    return { width, height, data };
  } catch (error) {
    throw new InputError(`${name}: ${explainFailure(error as Error)}`);
  }
}

/**
 * A limit that the decoder does not round below the picture itself: it multiplies by 1000 twice, and
 * 720·576 / 1e6 · 1000 · 1000 is less than 720·576. Half a pixel outweighs every such rounding.
 */
export const megapixels = (pixels: number): number => (pixels + 0.5) / 1e6;

/** 1 where the components have other ratios to one another than libjpeg interpolates. */
function chromaRatio({ components: [luma, cb, cr] }: JpegHeader): Ratio {
  const alike = cb.h === cr.h && cb.v === cr.v;
  return alike ? { x: luma.h / cb.h, y: luma.v / cb.v } : { x: 1, y: 1 };
}

/** The decoder's words for what it met, in ours. */
function explainFailure({ message }: Error): string {
  const line = message.split('\n')[0];
  if (/marker was not found|unknown JPEG marker 0\b|unexpected marker: ffd9/.test(line)) {
    return `truncated JPEG (${line})`;
  }
  return `damaged JPEG (${line})`;
}
