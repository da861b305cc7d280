/**
 * What a JPEG says about itself (ITU-T T.81, annex B): size, components, process, scans, Adobe and EXIF segments.
 *
 * Read before decoding, so that a picture which is too large, truncated or of a process that the decoder does
 * not know is refused in words and without allocating. The walk stops at the end of the picture; a second
 * picture after it (phones append previews and films) is left alone.
 */
import { InputError } from '../errors.ts';

export interface JpegComponent {
  readonly id: number;
  readonly h: number;
  readonly v: number;
}

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  readonly progressive: boolean;
  /** Number of scans found. */
  readonly scans: number;
  readonly jfif: boolean;
  /** Transform of the Adobe segment (0 none, 1 YCbCr, 2 YCCK), if there is one. */
  readonly adobe: number | undefined;
  /** Where the bytes lie that tell it. */
  readonly adobeAt: readonly number[];
  readonly exif: Uint8Array | undefined;
  /** Length of the picture in bytes, its end marker included. */
  readonly length: number;
}

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;
/** SOF0 to SOF15 but for DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

interface Segment {
  readonly marker: number;
  readonly data: Uint8Array;
  /** Where the next one starts. */
  readonly next: number;
}

/** The segments up to the end marker, or to where the bytes end or stop to make sense. */
function* segments(bytes: Uint8Array): Generator<Segment> {
  let at = 2;
  while (at + 1 < bytes.length) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return;
    const marker = bytes[at + 1];
    at += marker === 0xff ? 1 : 2;
    if (marker === 0xff || marker === 0 || isRestart(marker) || marker === SOI || marker === 0x01) continue;
    if (marker === EOI) {
      yield { marker, data: bytes.subarray(at, at), next: at };
      return;
    }
    if (at + 2 > bytes.length) return;
    const next = at + Math.max(bytes[at] * 256 + bytes[at + 1], 2);
    yield { marker, data: bytes.subarray(at + 2, next), next };
    at = next;
  }
}

const startsWith = (data: Uint8Array, text: string): boolean =>
  text.length <= data.length && [...text].every((letter, i) => data[i] === letter.charCodeAt(0));

function readFrame(marker: number, data: Uint8Array, name: string) {
  const fail = (reason: string): never => {
    throw new InputError(`${name}: ${reason}`);
  };
  if (marker > 0xc2) {
    fail('lossless, hierarchical or arithmetic-coded JPEG cannot be decoded; save it as an ordinary JPEG');
  }
  if (data.length < 6 || data.length < 6 + 3 * data[5]) fail('truncated JPEG (its header is incomplete)');
  if (data[0] !== 8) fail(`a JPEG of ${data[0]} bits a sample cannot be decoded; save it with 8`);
  const components = Array.from({ length: data[5] }, (_, i) => ({
    id: data[6 + 3 * i],
    h: data[7 + 3 * i] >> 4,
    v: data[7 + 3 * i] & 15,
  }));
  if (![1, 3, 4].includes(components.length)) fail(`a JPEG of ${components.length} components is no picture`);
  if (components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
    fail('damaged JPEG (a sampling factor is not 1 to 4)');
  }
  return {
    height: data[1] * 256 + data[2],
    width: data[3] * 256 + data[4],
    components,
    progressive: marker === 0xc2,
  };
}

/** Throws InputError if there is no frame, or one that cannot be decoded. Sizes are not judged here. */
export function readJpegHeader(bytes: Uint8Array, name: string): JpegHeader {
  let frame: ReturnType<typeof readFrame> | undefined;
  let scans = 0;
  let jfif = false;
  const adobeAt: number[] = [];
  let exif: Uint8Array | undefined;
  let length = bytes.length;
  for (const { marker, data, next } of segments(bytes)) {
    if (isFrame(marker)) {
      if (frame) throw new InputError(`${name}: damaged JPEG (it has two frames)`);
      frame = readFrame(marker, data, name);
    } else if (marker === SOS) scans++;
    else if (marker === EOI) length = next;
    else if (marker === 0xe0 && startsWith(data, 'JFIF\0')) jfif = true;
    else if (marker === 0xe1 && startsWith(data, 'Exif\0')) exif ??= data;
    else if (marker === 0xee && startsWith(data, 'Adobe') && data.length >= 12) {
      adobeAt.push(data.byteOffset - bytes.byteOffset + 11);
    }
  }
  if (!frame || scans === 0) throw new InputError(`${name}: truncated JPEG (it has no picture data)`);
  const last = adobeAt.at(-1);
  const adobe = last === undefined ? undefined : bytes[last];
  return { ...frame, scans, jfif, adobe, adobeAt, exif, length };
}
