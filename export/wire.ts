/**
 * The protobuf wire format: reading fields of a file that need not be in memory, and framing them when writing.
 *
 * There is no recursion: a caller steps into the messages that it knows.
 * Source: protobuf.dev/programming-guides/encoding.
 */
import { must } from '../reference/named.ts';

/** Bytes in memory or in a file. */
export interface Bytes {
  readonly size: number;
  /** Throws where they are not all there. */
  read(offset: number, length: number): Uint8Array;
  /** The error for a damaged file, which names it. */
  bad?(message: string): Error;
}

/** One field: where its content lies. Varints and fixed numbers have start and end around their bytes. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** Where the tag starts. */
  readonly tag: number;
  readonly start: number;
  readonly end: number;
  /** Of a varint (wire type 0): the signed 64-bit integer, rounded to a number. */
  readonly value: number;
}

export const invalid = (what: string): Error => new Error(`not a valid protobuf file: ${what}`);

/** [value, position after it]; values over 2⁵³ are rounded. */
function varint(bytes: Uint8Array, at: number, end: number): [number, number] {
  let value = 0;
  for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
    if (at >= end) throw invalid(`it ends inside a number (byte ${at})`);
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
  }
  throw invalid(`a number longer than ten bytes (byte ${at})`);
}

/** A negative number, of ten bytes: the other bits of it, negated, less 1. */
function negative(bytes: Uint8Array, at: number): number {
  let others = 0;
  for (let i = 0; i < 9; i++) others += (127 - (bytes[at + i] & 127)) * 128 ** i;
  return -others - 1;
}

/** Bytes that a tag, a length and a fixed number take at most. */
const LONGEST_HEAD = 24;

/** The field at byte `at` of a message that ends at `end`. Throws where it would run past it. */
export function fieldAt(bytes: Uint8Array, at: number, end: number): Field {
  const [tag, afterTag] = varint(bytes, at, end);
  const number = Math.floor(tag / 8);
  const wire = tag % 8;
  if (number < 1 || number > 0x1fffffff) throw invalid(`field number ${number} (byte ${at})`);
  let start = afterTag;
  let stop = start;
  let value = 0;
  if (wire === 0) {
    [value, stop] = varint(bytes, start, end);
    if (value >= 2 ** 63) value = negative(bytes, start);
  } else if (wire === 1) stop += 8;
  else if (wire === 5) stop += 4;
  else if (wire === 2) {
    const [length, content] = varint(bytes, start, end);
    start = content;
    stop = content + length;
  } else throw invalid(`wire type ${wire} (byte ${at})`);
  if (stop > end)
    throw invalid(`a field of ${stop - start} bytes where ${end - start} are left (byte ${at})`);
  return { number, wire, tag: at, start, end: stop, value };
}

/** A window that is read at a time: small fields cost no system call each. */
const WINDOW = 65_536;

/** A field of a file, with its bytes where it is a fixed number (wire types 1 and 5). */
interface FileField extends Field {
  readonly fixed: Uint8Array | null;
}

/** The fields of the message between `start` and `end`, in order. Throws where it is damaged. */
export function* fields(source: Bytes, start = 0, end = source.size): Generator<FileField> {
  let window: Uint8Array = new Uint8Array(0);
  let from = start;
  for (let at = start; at < end; ) {
    if (Math.min(at + LONGEST_HEAD, end) > from + window.length) {
      from = at;
      window = source.read(at, Math.min(WINDOW, end - at));
    }
    let field: Field;
    try {
      field = fieldAt(window, at - from, end - from);
    } catch (error) {
      throw source.bad?.((error as Error).message) ?? error;
    }
    const { number, wire, tag, value } = field;
    const fixed = wire === 1 || wire === 5 ? window.subarray(field.start, field.end) : null;
    at = from + field.end;
    yield { number, wire, value, fixed, tag: from + tag, start: from + field.start, end: at };
  }
}

/** The fields of the message that is a field's content. */
export const fieldsOf = (source: Bytes, { start, end }: Field): Generator<FileField> =>
  fields(source, start, end);

const LONGEST_TEXT = 65_536;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A field's text. Throws beyond 64 KiB. */
export function textOf(source: Bytes, { start, end, wire }: Field): string {
  if (wire !== 2 || end - start > LONGEST_TEXT) throw damaged(source, `a text of ${end - start} bytes`);
  return decoder.decode(source.read(start, end - start));
}

const damaged = (source: Bytes, what: string): Error => source.bad?.(`damaged: ${what}`) ?? invalid(what);

/**
 * The varints packed in `bytes` as little-endian integers of `width` bytes (1, 2, 4 or 8); what is beyond that width
 * is cut off, as C does. Throws where the last one is cut off.
 */
export function unpackVarints(bytes: Uint8Array, width: number): Uint8Array {
  let count = 0;
  for (const byte of bytes) if (byte < 128) count++;
  if (bytes.length > 0 && bytes[bytes.length - 1] >= 128) throw invalid('it ends inside a number');
  const result = new Uint8Array(count * width);
  for (let at = 0, to = 0; at < bytes.length; to += width) {
    let low = 0;
    let high = 0;
    for (let shift = 0, more = true; more; shift += 7, at++) {
      const part = bytes[at] & 127;
      more = bytes[at] >= 128;
      if (shift < 32) low |= part << shift;
      if (shift >= 28) high |= shift < 32 ? part >>> (32 - shift) : part << (shift - 32);
    }
    for (let i = 0; i < width; i++) result[to + i] = (i < 4 ? low >>> (8 * i) : high >>> (8 * i - 32)) & 255;
  }
  return result;
}

const MOST_EXTENTS = 64;

/** Adds the whole numbers of a repeated field, packed or not, to `list`. Throws beyond 64. */
export function addExtents(source: Bytes, field: Field, list: number[]): void {
  if (field.wire === 0) list.push(field.value);
  else if (field.wire === 2 && field.end - field.start <= 10 * MOST_EXTENTS) {
    const bytes = source.read(field.start, field.end - field.start);
    for (let at = 0; at < bytes.length; ) {
      const [value, next] = varint(bytes, at, bytes.length);
      list.push(value);
      at = next;
    }
  } else throw damaged(source, 'extents of another type, or too many');
  if (list.length > MOST_EXTENTS) throw damaged(source, `more than ${MOST_EXTENTS} extents`);
}

/** How many values of `width` bytes the fields `number` of a message hold, packed or one by one. */
export function countFixed(source: Bytes, message: Field, number: number, width: 4 | 8): number {
  let bytes = 0;
  for (const field of fieldsOf(source, message)) {
    if (field.number !== number) continue;
    const length = field.end - field.start;
    const single = field.wire === (width === 4 ? 5 : 1);
    if (!single && (field.wire !== 2 || length % width !== 0)) {
      throw damaged(source, `${length} bytes are not values of ${width}`);
    }
    bytes += length;
  }
  return bytes / width;
}

/** The bytes of those values, joined; `size` of them are due. */
export function readFixed(source: Bytes, message: Field, number: number, size: number): Uint8Array {
  let whole: Uint8Array | null = null;
  let at = 0;
  for (const { number: found, fixed, start, end } of fieldsOf(source, message)) {
    if (found !== number) continue;
    if (end - start === size) return fixed ? Uint8Array.from(fixed) : source.read(start, size);
    whole ??= new Uint8Array(size);
    if (at + end - start > size) break;
    whole.set(fixed ?? source.read(start, end - start), at);
    at += end - start;
  }
  if (at !== size) throw damaged(source, `other than the ${size} bytes of values that are due`);
  return whole ?? new Uint8Array(0);
}

// ---- writing --------------------------------------------------------------------------------------------

/** Varints one after the other. */
function varints(values: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  for (let value of values) {
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}

/** Tag and length in front of a field of `length` bytes (wire type 2). */
export const header = (number: number, length: number): Uint8Array => varints([number * 8 + 2, length]);

/** A length-delimited field in pieces, its content not copied. */
export const framed = (number: number, content: readonly Uint8Array[]): Uint8Array[] => [
  header(number, lengthOf(content)),
  ...content,
];

export const lengthOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, piece) => sum + piece.length, 0);

export const framedText = (number: number, value: string): Uint8Array[] =>
  framed(number, [new TextEncoder().encode(value)]);

/** A packed field of whole numbers. */
export const framedIntegers = (number: number, values: readonly number[]): Uint8Array[] =>
  framed(number, [varints(values)]);

/** All chunks in one array; for files that are small or must be handed over in one piece. */
export function joined(chunks: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  must(typeof chunks?.[Symbol.iterator] === 'function', 'chunks', 'a list of bytes', chunks);
  const parts = [...chunks];
  for (const part of parts) must(part instanceof Uint8Array, 'chunks', 'a list of bytes', part);
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
