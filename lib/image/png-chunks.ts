/**
 * The chunks of a PNG (W3C PNG, third edition, sections 5 and 11): every length against the bytes that are there,
 * every checksum, and the size of the pixel data, before the first of them is inflated; and what its texts say.
 */

import { unzlibSync } from 'fflate';
import { InputError } from '../errors.ts';
import { fromLatin1 } from '../format/strings.ts';
import { crc32 } from '../format/unpack.ts';

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  readonly depth: 1 | 2 | 4 | 8 | 16;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha. */
  readonly colour: 0 | 2 | 3 | 4 | 6;
  readonly interlaced: boolean;
}

export interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

const SIGNATURE = 8;

/** The chunks up to IEND. Throws InputError if one is cut off, or its checksum is wrong. */
export function readChunks(bytes: Uint8Array, name: string): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE; ; ) {
    if (at + 12 > bytes.length) throw new InputError(`${name}: truncated PNG (it ends within a chunk)`);
    const length = view.getUint32(at);
    const end = at + 8 + length;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) throw new InputError(`${name}: damaged PNG (a chunk has no name)`);
    if (end + 4 > bytes.length) throw new InputError(`${name}: truncated PNG (chunk ${type} is cut off)`);
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw new InputError(`${name}: damaged PNG (wrong checksum in chunk ${type})`);
    }
    if (type === 'IEND') return chunks;
    chunks.push({ type, data: bytes.subarray(at + 8, end) });
    at = end + 4;
  }
}

const depths: Record<number, readonly number[]> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** IHDR, which must come first and alone. Throws InputError if it is not a header that the standard knows. */
export function readPngHeader(chunks: readonly Chunk[], name: string): PngHeader {
  const fail = (reason: string): never => {
    throw new InputError(`${name}: damaged PNG (${reason})`);
  };
  const headers = chunks.filter(({ type }) => type === 'IHDR');
  if (headers.length !== 1 || chunks[0].type !== 'IHDR') fail('IHDR must come first and once');
  const { data } = headers[0];
  if (data.length !== 13) fail(`IHDR has ${data.length} bytes`);
  const view = new DataView(data.buffer, data.byteOffset, 13);
  const [depth, colour, compression, filter, interlace] = data.subarray(8);
  if (!depths[colour]?.includes(depth)) fail(`there is no colour type ${colour} with ${depth} bits`);
  if (compression !== 0 || filter !== 0 || interlace > 1) fail('unknown compression, filter or interlace');
  return {
    width: view.getUint32(0),
    height: view.getUint32(4),
    depth: depth as PngHeader['depth'],
    colour: colour as PngHeader['colour'],
    interlaced: interlace === 1,
  };
}

/** Adam7: first column and row, and the steps, of the seven passes. */
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Bytes of pixel data once inflated: a filter byte and the packed samples for each row of each pass. */
export function rawSize({ width, height, depth, colour, interlaced }: PngHeader): number {
  const bits = depth * { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour];
  const size = (columns: number, rows: number) =>
    columns < 1 || rows < 1 ? 0 : rows * (1 + Math.ceil((columns * bits) / 8));
  if (!interlaced) return size(width, height);
  return passes.reduce(
    (sum, [x, y, dx, dy]) => sum + size(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
    0,
  );
}

/** The largest prime below 2¹⁶. */
const BASE = 65521;
/** So many bytes can be summed before the sums outgrow 32 bits. */
const RUN = 5552;

/** Adler-32 of the pixel data (RFC 1950): 32 bits, without sign. */
export function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < bytes.length; ) {
    for (const end = Math.min(at + RUN, bytes.length); at < end; at++) {
      low += bytes[at];
      high += low;
    }
    low %= BASE;
    high %= BASE;
  }
  return high * 65536 + low;
}

// ---- What text chunks say (section 11.3.3): tEXt, zTXt and iTXt, of which XMP and ImageMagick's EXIF are read.
// Compressed text is unpacked to a limit; what is damaged or longer is left out.

/** Bytes of a text, as in Pillow. */
const MAX_TEXT = 2 ** 20;

/** The last text of that keyword, a character per byte; undefined if there is none. */
export function chunkText(chunks: readonly Chunk[], keyword: string): string | undefined {
  return chunks.map((chunk) => readText(chunk, keyword)).findLast((text) => text !== undefined);
}

function readText({ type, data }: Chunk, keyword: string): string | undefined {
  if (!['tEXt', 'zTXt', 'iTXt'].includes(type)) return undefined;
  const end = data.indexOf(0);
  if (end < 0 || fromLatin1(data.subarray(0, end)) !== keyword) return undefined;
  const rest = data.subarray(end + 1);
  if (type === 'tEXt') return fromLatin1(rest);
  if (type === 'zTXt') return rest[0] === 0 ? unpack(rest.subarray(1)) : undefined;
  const [packed, method] = rest;
  const language = rest.indexOf(0, 2);
  const translated = rest.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return undefined;
  const text = rest.subarray(translated + 1);
  if (packed === 0) return fromLatin1(text);
  return method === 0 ? unpack(text) : undefined;
}

function unpack(bytes: Uint8Array): string | undefined {
  try {
    const text = unzlibSync(bytes, { out: new Uint8Array(MAX_TEXT + 1) });
    return text.length > MAX_TEXT ? undefined : fromLatin1(text);
  } catch {
    return undefined;
  }
}
