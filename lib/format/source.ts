/**
 * Where the bytes of a file come from: memory, an open file, a part of either. Every access is checked. A cursor reads
 * them from front to back.
 */
import type { Bytes } from '../../export/wire.ts';
import { InputError } from '../errors.ts';
import { fromLatin1 } from './strings.ts';

export interface Source extends Bytes {
  /** For messages: the path, or what the caller calls the bytes. */
  readonly name: string;
  readonly size: number;
  /**
   * `length` bytes: a fresh copy of a file's, a view of bytes that were handed over. Throws InputError if they are
   * not all there; nothing is allocated before.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Fills `target` with the bytes from `offset` on. Throws InputError if they are not all there. */
  readInto(target: Uint8Array, offset: number): void;
  bad(message: string): InputError;
  /** What unpacks the members of this archive; default: `portable`. */
  readonly unpacker?: Unpacker;
  /** A file beside this one, where this one lies in a folder. Throws where `location` leads out of the folder. */
  beside?(location: string): Source;
  close(): void;
}

/** What unpacks. All throw InputError, naming the packed bytes, where they are damaged or of another size. */
export interface Unpacker {
  /** The zip checksum. */
  crc32(bytes: Uint8Array): number;
  /** All of it, at once: `size` bytes, not one more. */
  inflate(packed: Source, size: number): Uint8Array<ArrayBuffer>;
  /** At most the first `length` bytes. */
  inflateHead(packed: Source, length: number): Uint8Array<ArrayBuffer>;
  /** What `inflate` gives, beside other work if that can be. */
  inflateBeside(packed: Source, size: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** An error about the file, in one line. */
export const bad = (source: { readonly name: string }, message: string): InputError =>
  new InputError(`${source.name}: ${message.replace(/\s+/g, ' ').slice(0, 400)}`);

/** What `run` returns. An error in it becomes an InputError about the file of that name, unless it is one already. */
export function about<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof InputError && error.message.startsWith(name)) throw error;
    throw bad({ name }, (error as Error).message);
  }
}

/** What all tensors of a file may come to: this many times its own size, plus this many bytes. */
const EXPANSION = 4;
const ALLOWANCE = 2 ** 26;

/** Throws InputError where a file's tensors (shared, expanded, linked several times) come to far more than it has. */
export function checkTotal(source: Source, total: number): void {
  if (total <= EXPANSION * source.size + ALLOWANCE) return;
  throw bad(source, `refused: it would unpack to ${total} bytes or more, the file has ${source.size}`);
}

/** What differs from source to source. */
interface Reading {
  /** Called for a range that is there. */
  readInto(target: Uint8Array, offset: number): void;
  /** Default: room that `readInto` fills. */
  read?(offset: number, length: number): Uint8Array<ArrayBuffer>;
  beside?(location: string): Source;
  readonly unpacker?: Unpacker;
  close?(): void;
}

/** A source of `size` bytes that checks every range before `reading` sees it. */
export function sourceOf(name: string, size: number, reading: Reading): Source {
  const check = (offset: number, length: number): void => {
    if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0)) {
      const what = `offset ${offset}, length ${length}`;
      throw bad({ name }, `damaged: a length or an offset is not a whole number (${what})`);
    }
    if (offset + length > size) {
      throw bad({ name }, `truncated: ${length} bytes are due at ${offset}, the file has ${size}`);
    }
  };
  const { beside, unpacker, close } = reading;
  return {
    name,
    size,
    read(offset, length) {
      check(offset, length);
      if (reading.read) return reading.read(offset, length);
      const bytes = new Uint8Array(length);
      reading.readInto(bytes, offset);
      return bytes;
    },
    readInto(target, offset) {
      check(offset, target.length);
      reading.readInto(target, offset);
    },
    bad: (message) => bad({ name }, message),
    ...(beside ? { beside } : {}),
    ...(unpacker ? { unpacker } : {}),
    close: () => close?.(),
  };
}

/** Bytes in memory, which stay as they are. */
export const fromBytes = (bytes: Uint8Array, name = 'bytes'): Source =>
  sourceOf(name, bytes.byteLength, {
    readInto: (target, offset) => target.set(bytes.subarray(offset, offset + target.length)),
  });

/**
 * Bytes that are handed over: what `read` returns are views of them. `size` may be more than is there yet,
 * where only the head of something long was fetched.
 */
export function adopt(bytes: Uint8Array<ArrayBuffer>, name: string, size = bytes.byteLength): Source {
  const there = (offset: number, length: number) => {
    if (offset + length > bytes.byteLength)
      throw bad({ name }, `truncated: ${length} bytes are due at ${offset}`);
    return bytes.subarray(offset, offset + length);
  };
  return sourceOf(name, size, {
    read: there,
    readInto: (target, offset) => target.set(there(offset, target.length)),
  });
}

/** A part of another source: an uncompressed member of an archive. Throws InputError where it is not all there. */
export function section(whole: Source, start: number, size: number, name = whole.name): Source {
  if (!(start + size <= whole.size)) {
    throw whole.bad(`truncated: ${size} bytes are due at ${start}, the file has ${whole.size}`);
  }
  return sourceOf(name, size, {
    read: (offset, length) => whole.read(start + offset, length),
    readInto: (target, offset) => whole.readInto(target, start + offset),
  });
}

// ---- the cursor, with a window on the file: small reads need no system call of their own

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
