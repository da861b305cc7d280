/**
 * PNG to upright RGB, by pngjs: grey, palette, 1 to 16 bits, interlaced, transparent (over white).
 *
 * Of 16-bit samples the high byte is taken, as libpng and Pillow do with colour (Pillow clips 16-bit grey at
 * 255 instead, which turns photographs white); smaller depths are scaled to 0..255. Transparency, from an
 * alpha channel or tRNS, is composed over white with rounding, which is Pillow's alpha_composite. Gamma and
 * colour profiles are not applied.
 */
import { inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import type { Image } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';
import { checkSize } from './limits.ts';
import { exifOrientation, upright } from './orientation.ts';
import { type Chunk, type PngHeader, rawSize, readChunks, readPngHeader } from './png-header.ts';

/** Decodes a PNG. Throws InputError, one line starting with `name`, if it cannot. */
export function decodePng(bytes: Uint8Array, name: string): Image {
  const chunks = readChunks(bytes, name);
  const header = readPngHeader(chunks, name);
  checkSize(header.width, header.height, name);
  const { depth } = header;
  checkPixelData(header, chunks, name);
  let rgba: ArrayLike<number>;
  try {
    rgba = PNG.sync.read(essential(chunks), { checkCRC: false, skipRescale: true }).data;
  } catch (error) {
    throw new InputError(`${name}: damaged PNG (${(error as Error).message.split('\n')[0]})`);
  }
  const image = overWhite(rgba, header, header.colour === 3 ? 8 : depth);
  const exif = chunks.find(({ type }) => type === 'eXIf');
  return exif ? upright(image, exifOrientation(exif.data)) : image;
}

/**
 * The pixel data, inflated once with the size that the header tells as the limit: a truncated stream, a wrong
 * Adler checksum and a bomb end here.
 */
function checkPixelData(header: PngHeader, chunks: readonly Chunk[], name: string): void {
  const parts = chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data);
  const packed = parts.reduce((sum, { length }) => sum + length, 0);
  const size = rawSize(header);
  const truncated = () =>
    new InputError(
      `${name}: truncated PNG (${packed} bytes of data do not hold ${header.width}×${header.height})`,
    );
  let inflated: number;
  try {
    inflated = inflateSync(Buffer.concat(parts), { maxOutputLength: size }).length;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw truncated();
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new InputError(`${name}: damaged PNG (more data than ${header.width}×${header.height} needs)`);
    }
    throw new InputError(`${name}: damaged PNG (${message})`);
  }
  if (inflated < size) throw truncated();
}

/** A file of the chunks that make the pixels, and of nothing that could trip the decoder. */
function essential(chunks: readonly Chunk[]): Buffer {
  const parts: Uint8Array[] = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)];
  const palette = chunks.find(({ type }) => type === 'PLTE')?.data.length ?? Number.POSITIVE_INFINITY;
  const wanted = chunks.filter(({ type }) => ['IHDR', 'PLTE', 'tRNS', 'IDAT'].includes(type));
  for (const { type, data } of [...wanted, { type: 'IEND', data: new Uint8Array() }]) {
    // more transparencies than colours: the rest belongs to none
    const body = type === 'tRNS' ? data.subarray(0, palette / 3) : data;
    const head = Buffer.alloc(8);
    head.writeUInt32BE(body.length);
    head.write(type, 4, 'latin1');
    parts.push(head, body, new Uint8Array(4));
  }
  return Buffer.concat(parts);
}

/** RGBA samples of `depth` bits to 8-bit RGB over white. */
function overWhite(rgba: ArrayLike<number>, { width, height }: PngHeader, depth: number): Image {
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
