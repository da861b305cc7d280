/** Reads a source from front to back through a window, so that small reads cost no system call each. */

import { bad, type Source } from './source.ts';
import { fromLatin1 } from './strings.ts';

const WINDOW = 65_536;

export interface Cursor {
  readonly source: Source;
  /** Where the next read starts. */
  at: number;
  readonly end: number;
  /** Window: bytes from `from`. */
  window: Uint8Array<ArrayBuffer>;
  from: number;
}

export const cursor = (source: Source, at = 0, end = source.size): Cursor => ({
  source,
  at,
  end,
  window: new Uint8Array(0),
  from: 0,
});

/**
 * Offset within the window of the next `length` bytes (at most WINDOW); moves on. Throws InputError at the
 * end.
 */
function need(c: Cursor, length: number): number {
  let place = c.at - c.from;
  skip(c, length);
  if (place < 0 || place + length > c.window.length) {
    c.from = c.at - length;
    c.window = c.source.read(c.from, Math.min(WINDOW, c.end - c.from));
    place = 0;
  }
  return place;
}

export function byte(c: Cursor): number {
  const place = need(c, 1);
  return c.window[place];
}

/** A view of the window at the next `length` bytes, at most 64 KiB; good until the next read. */
export function take(c: Cursor, length: number): Uint8Array<ArrayBuffer> {
  const place = need(c, length);
  return c.window.subarray(place, place + length);
}

export function skip(c: Cursor, length: number): void {
  if (!(length >= 0 && c.at + length <= c.end)) {
    throw bad(c.source, `truncated: it ends at ${c.end}, ${length} bytes are due at ${c.at}`);
  }
  c.at += length;
}

const view = (c: Cursor, length: number): DataView => {
  const place = need(c, length);
  return new DataView(c.window.buffer, c.window.byteOffset + place, length);
};
export const uint16 = (c: Cursor): number => view(c, 2).getUint16(0, true);
export const uint32 = (c: Cursor): number => view(c, 4).getUint32(0, true);
export const int32 = (c: Cursor): number => view(c, 4).getInt32(0, true);
/** May be rounded beyond 2⁵³, which no length in a file can be: range checks catch it. */
export const uint64 = (c: Cursor): number => Number(view(c, 8).getBigUint64(0, true));
export const float64BigEndian = (c: Cursor): number => view(c, 8).getFloat64(0, false);

/** Bytes up to a newline, which is passed over, as latin-1. Throws InputError beyond `longest`. */
export function line(c: Cursor, longest: number): string {
  const start = c.at;
  for (let length = 0; length <= longest; length++) {
    if (byte(c) !== 10) continue;
    c.at = start;
    const text = fromLatin1(c.source.read(start, length));
    c.at = start + length + 1;
    return text;
  }
  throw bad(c.source, `a line of text is longer than ${longest} bytes`);
}
