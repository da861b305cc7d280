/**
 * What a JPEG says about itself (ITU-T T.81, annex B): size, components, process, scans, Adobe and EXIF segments.
 *
 * Read before decoding, so that a picture which is too large, truncated or of a process that the decoder does
 * not know is refused in words and without allocating. The walk stops at the end of the picture; a second
 * picture after it (phones append previews and films) is left alone, and so are stray bytes between segments.
 */
import { InputError } from '../errors.ts';

interface JpegComponent {
  readonly id: number;
  readonly h: number;
  readonly v: number;
  /** Number of its quantisation table. */
  readonly table: number;
}

/** A scan's header: what part of which components it brings (T.81, B.2.3). */
export interface JpegScan {
  /** Which of the frame's components, and the numbers of their Huffman tables. */
  readonly components: readonly { readonly index: number; readonly dc: number; readonly ac: number }[];
  /** First and last coefficient of the band, Ss and Se. */
  readonly first: number;
  readonly last: number;
  /** The lowest bit that earlier scans brought, 0 if none did, and that this one brings: Ah and Al. */
  readonly high: number;
  readonly low: number;
  /** The Huffman tables there are when it begins: 0 to 15 for DC, 16 to 31 for AC. */
  readonly huffman: ReadonlySet<number>;
}

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly components: readonly JpegComponent[];
  readonly progressive: boolean;
  readonly scans: readonly JpegScan[];
  /** Numbers of the quantisation tables. */
  readonly quantisers: ReadonlySet<number>;
  readonly jfif: boolean;
  /** Transform of the Adobe segment (0 none, 1 YCbCr, 2 YCCK), if there is one. */
  readonly adobe: number | undefined;
  readonly exif: Uint8Array | undefined;
  /** The segments that make the pixels, markers included, each scan with its data. */
  readonly pixels: readonly Uint8Array[];
  /** Length of the picture in bytes, its end marker included. */
  readonly length: number;
}

/** An encoder writes about ten scans; each visits every block again. */
const MAX_SCANS = 100;
/** Tables and scans: a few are written for each scan. */
const MAX_SEGMENTS = 1000;

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DQT = 0xdb;
const DHT = 0xc4;
const DRI = 0xdd;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP14 = 0xee;
const isRestart = (marker: number): boolean => marker >= 0xd0 && marker <= 0xd7;
/** SOF0 to SOF15 but for DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

interface Segment {
  readonly marker: number;
  readonly data: Uint8Array;
  /** All of it: marker, length, data, and the coded data that follow the header of a scan. */
  readonly whole: Uint8Array;
  /** Where the next one starts. */
  readonly next: number;
}

/** The next 0xFF that is followed by a marker, from `at` on; the end of the bytes if there is none. */
function nextMarker(bytes: Uint8Array, at: number): number {
  for (let from = bytes.indexOf(0xff, at); from >= 0; from = bytes.indexOf(0xff, from + 1)) {
    const marker = bytes[from + 1];
    if (marker === undefined) break;
    if (marker !== 0xff && marker !== 0 && !isRestart(marker) && marker !== SOI && marker !== 0x01)
      return from;
  }
  return bytes.length;
}

/** The segments up to the end marker, or to where the bytes end. */
function* segments(bytes: Uint8Array, name: string): Generator<Segment> {
  for (let at = nextMarker(bytes, 2); at < bytes.length; ) {
    const marker = bytes[at + 1];
    if (marker === EOI) {
      const none = bytes.subarray(at, at);
      yield { marker, data: none, whole: none, next: at + 2 };
      return;
    }
    if (at + 4 > bytes.length) return;
    const end = at + 2 + Math.max(bytes[at + 2] * 256 + bytes[at + 3], 2);
    if (end > bytes.length) throw new InputError(`${name}: truncated JPEG (a segment is cut off)`);
    const next = nextMarker(bytes, end);
    const whole = bytes.subarray(at, marker === SOS ? next : end);
    yield { marker, data: bytes.subarray(at + 4, end), whole, next };
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
  if (data[0] !== 8) fail(`a JPEG of ${data[0]} bits per sample cannot be decoded; save it with 8`);
  const components = Array.from({ length: data[5] }, (_, i) => ({
    id: data[6 + 3 * i],
    h: data[7 + 3 * i] >> 4,
    v: data[7 + 3 * i] & 15,
    table: data[8 + 3 * i],
  }));
  if (![1, 3, 4].includes(components.length))
    fail(`a JPEG of ${components.length} components is not a picture`);
  if (components.some(({ h, v }) => h < 1 || h > 4 || v < 1 || v > 4)) {
    fail('damaged JPEG (a sampling factor is not 1 to 4)');
  }
  if (new Set(components.map(({ id }) => id)).size < components.length) {
    fail('damaged JPEG (two components have one name)');
  }
  return {
    height: data[1] * 256 + data[2],
    width: data[3] * 256 + data[4],
    components,
    progressive: marker === 0xc2,
  };
}

type Frame = ReturnType<typeof readFrame>;

function readScan(data: Uint8Array, frame: Frame | undefined, huffman: Set<number>, name: string): JpegScan {
  const fail = (reason: string): never => {
    throw new InputError(`${name}: damaged JPEG (${reason})`);
  };
  if (!frame) return fail('a scan comes before the frame');
  const [count] = data;
  if (!(count >= 1 && count <= 4 && data.length >= 4 + 2 * count)) fail('the header of a scan is incomplete');
  const components = Array.from({ length: count }, (_, i) => ({
    index: frame.components.findIndex(({ id }) => id === data[1 + 2 * i]),
    dc: data[2 + 2 * i] >> 4,
    ac: data[2 + 2 * i] & 15,
  }));
  const found = new Set(components.map(({ index }) => index));
  if (found.has(-1) || found.size < count) fail('a scan names a component that is not there, or one twice');
  const [first, last, bits] = data.subarray(1 + 2 * count);
  return { components, first, last, high: bits >> 4, low: bits & 15, huffman: new Set(huffman) };
}

/** Numbers of the tables that a DQT segment defines: 64 bytes each, or 64 times two. */
function* quantisersIn(data: Uint8Array): Generator<number> {
  for (let at = 0; at < data.length; at += data[at] < 16 ? 65 : 129) yield data[at] & 15;
}

/** Numbers of the tables that a DHT segment defines: 16 counts, and as many symbols as they add up to. */
function* huffmanIn(data: Uint8Array): Generator<number> {
  for (let at = 0; at + 17 <= data.length; ) {
    yield data[at] & 31;
    at += 17 + data.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0);
  }
}

/** Throws InputError if there is no frame, or one that cannot be decoded. Sizes are not judged here. */
export function readJpegHeader(bytes: Uint8Array, name: string): JpegHeader {
  let frame: Frame | undefined;
  let jfif = false;
  let adobe: number | undefined;
  let exif: Uint8Array | undefined;
  let length: number | undefined;
  const scans: JpegScan[] = [];
  const pixels: Uint8Array[] = [];
  const quantisers = new Set<number>();
  const huffman = new Set<number>();
  for (const { marker, data, whole, next } of segments(bytes, name)) {
    if (isFrame(marker)) {
      if (frame) throw new InputError(`${name}: damaged JPEG (it has two frames)`);
      frame = readFrame(marker, data, name);
    } else if (marker === SOS) scans.push(readScan(data, frame, huffman, name));
    else if (marker === DQT) for (const number of quantisersIn(data)) quantisers.add(number);
    else if (marker === DHT) for (const number of huffmanIn(data)) huffman.add(number);
    else if (marker === APP0 && startsWith(data, 'JFIF\0')) jfif = true;
    else if (marker === APP1 && startsWith(data, 'Exif\0')) exif ??= data;
    else if (marker === APP14 && startsWith(data, 'Adobe') && data.length >= 12) adobe = data[11];
    else if (marker === EOI) length = next;
    if (isFrame(marker) || [SOS, DQT, DHT, DRI].includes(marker)) pixels.push(whole);
    if (scans.length > MAX_SCANS || pixels.length > MAX_SEGMENTS) {
      const what = scans.length > MAX_SCANS ? `${MAX_SCANS} scans` : `${MAX_SEGMENTS} tables`;
      throw new InputError(`${name}: a JPEG of more than ${what} is refused`);
    }
  }
  if (!frame || scans.length === 0) throw new InputError(`${name}: truncated JPEG (it has no picture data)`);
  if (length === undefined) throw new InputError(`${name}: truncated JPEG (its end marker is missing)`);
  return { ...frame, scans, quantisers, jfif, adobe, exif, pixels, length };
}
