/**
 * PNG to upright RGB, by pngjs: grey, palette, 1 to 16 bits, interlaced, transparent (over white).
 *
 * Of 16-bit samples the high byte is taken, as libpng and Pillow do with colour (Pillow clips 16-bit grey at
 * 255 instead, which turns photographs white); smaller depths are scaled to 0..255. Transparency, from an
 * alpha channel or tRNS, is composed over white with rounding, which is Pillow's alpha_composite. A number that the
 * palette lacks is grey of its own level, as in Pillow. Gamma and colour profiles are not applied.
 */
import { FlateErrorCode, unzlibSync, zlibSync } from 'fflate';
import { PNG } from 'pngjs';
import { joined } from '../../export/wire.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';
import { checkSize } from './admit.ts';
import { exifOrientation, type Orientation, rawProfile, upright, xmpOrientation } from './orientation.ts';
import { overWhite } from './pixels.ts';
import {
  adler32,
  type Chunk,
  chunkText,
  type PngHeader,
  rawSize,
  readChunks,
  readPngHeader,
} from './png-chunks.ts';

/** Decodes a PNG. Throws InputError, one line starting with `name`, if it cannot. */
export function decodePng(bytes: Uint8Array, name: string): Image {
  const chunks = readChunks(bytes, name);
  const header = readPngHeader(chunks, name);
  checkSize(header.width, header.height, name);
  const file = essential(header, chunks, unpack(header, chunks, name));
  let rgba: ArrayLike<number>;
  try {
    rgba = PNG.sync.read(Buffer.from(file.buffer), { checkCRC: false, skipRescale: true }).data;
  } catch {
    throw new InputError(`${name}: damaged PNG (a row has an unknown filter, or its palette is missing)`);
  }
  return upright(overWhite(rgba, header, header.colour === 3 ? 8 : header.depth), orientationOf(chunks));
}

/** eXIf goes before ImageMagick's text, and both before XMP, which counts where neither has the tag. */
function orientationOf(chunks: readonly Chunk[]): Orientation {
  const raw = chunkText(chunks, 'Raw profile type exif');
  const exif = chunks.findLast(({ type }) => type === 'eXIf')?.data ?? (raw && rawProfile(raw));
  const tag = exif ? exifOrientation(exif) : undefined;
  return tag ?? xmpOrientation(chunkText(chunks, 'XML:com.adobe.xmp') ?? '') ?? 1;
}

/**
 * The pixel data, unpacked with the size that the header tells as the limit: a truncated stream, a wrong
 * checksum and a bomb end here. What follows the stream is left alone.
 */
function unpack({ width, height, ...header }: PngHeader, chunks: readonly Chunk[], name: string): Uint8Array {
  const packed = joined(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data));
  const size = rawSize({ width, height, ...header });
  const truncated = `truncated PNG (${packed.length} bytes of data do not hold ${width}×${height})`;
  // a byte of deflated data holds at most 1032: nothing is allocated for pixels that cannot be there
  if (packed.length * 1032 < size) throw new InputError(`${name}: ${truncated}`);
  let pixels: Uint8Array;
  try {
    pixels = unzlibSync(packed, { out: new Uint8Array(size + 1) });
  } catch (error) {
    const { code } = error as { code?: number };
    if (code === FlateErrorCode.UnexpectedEOF) throw new InputError(`${name}: ${truncated}`);
    throw new InputError(`${name}: damaged PNG (its data cannot be unpacked)`);
  }
  if (pixels.length < size) throw new InputError(`${name}: ${truncated}`);
  if (pixels.length > size) {
    throw new InputError(`${name}: damaged PNG (more data than ${width}×${height} needs)`);
  }
  if (!endsWithin(packed, adler32(pixels))) {
    throw new InputError(`${name}: damaged PNG (wrong checksum of the pixel data)`);
  }
  return pixels;
}

/** Whether the checksum stands in `packed`: behind the stream, whose end the unpacking does not tell. */
function endsWithin(packed: Uint8Array, checksum: number): boolean {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  for (let at = packed.length - 4; at > 0; at--) if (view.getUint32(at) === checksum) return true;
  return false;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** A file of the chunks that make the pixels, and of nothing that could trip the decoder; `pixels` as they are. */
function essential(
  { colour, depth }: PngHeader,
  chunks: readonly Chunk[],
  pixels: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const palette = chunks.find(({ type }) => type === 'PLTE')?.data;
  const wanted = chunks.filter(({ type }) => ['IHDR', 'PLTE', 'tRNS'].includes(type));
  const parts = wanted.flatMap(({ type, data }) => {
    if (colour !== 3) return chunk(type, data);
    if (type === 'PLTE') {
      return chunk(
        type,
        new Uint8Array(3 * 2 ** depth).map((_, i) => data[i] ?? i / 3),
      );
    }
    // more transparencies than colours: the rest belongs to none
    return chunk(type, type === 'tRNS' ? data.subarray(0, (palette?.length ?? 0) / 3) : data);
  });
  return joined([SIGNATURE, ...parts, ...chunk('IDAT', zlibSync(pixels, { level: 0 })), ...chunk('IEND')]);
}

/** Length, name, data, and a checksum that nobody reads. */
function chunk(type: string, data: Uint8Array = new Uint8Array()): Uint8Array[] {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, data.length);
  for (let i = 0; i < 4; i++) head[4 + i] = type.charCodeAt(i);
  return [head, data, new Uint8Array(4)];
}
