/**
 * Protocol buffers, read field by field from a file that may be large: nothing is decoded that is not asked
 * for, and there is no recursion, since a caller steps into the messages that it knows. Source: the
 * encoding page of Google's Protocol Buffers documentation.
 */
import { byte, type Cursor, cursor, skip, take } from './cursor.ts';
import { bad, type Source } from './source.ts';

/** Wire types: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
export interface Field {
  readonly number: number;
  readonly wire: 0 | 1 | 2 | 5;
  /** The varint, for wire type 0; as a signed 64-bit integer rounded to a number. */
  readonly value: number;
  /** Where the bytes are, for the other wire types. */
  readonly start: number;
  readonly length: number;
}

export function varint(c: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const next = byte(c);
    value |= BigInt(next & 127) << shift;
    if (next < 128) return BigInt.asUintN(64, value);
  }
  throw bad(c.source, 'damaged: an integer of more than ten bytes');
}

/** Varints below 2²⁸ without BigInt: nearly all there are. */
function small(c: Cursor): number {
  let value = 0;
  const start = c.at;
  for (let shift = 0; shift < 28; shift += 7) {
    const next = byte(c);
    value |= (next & 127) << shift;
    if (next < 128) return value;
  }
  c.at = start;
  return Number(BigInt.asIntN(64, varint(c)));
}

/**
 * The fields of the message between `start` and `end`, in order. Throws InputError where it is no sound
 * message.
 */
export function* fields(source: Source, start = 0, end = source.size): Generator<Field> {
  const c = cursor(source, start, end);
  while (c.at < end) {
    const tag = small(c);
    const [number, wire] = [Math.floor(tag / 8), tag & 7];
    if (number < 1 || number > 0x1fffffff) throw bad(source, `damaged: field ${number} at ${c.at}`);
    if (wire === 0) {
      yield { number, wire, value: small(c), start: c.at, length: 0 };
    } else if (wire === 1 || wire === 2 || wire === 5) {
      const length = wire === 2 ? small(c) : wire === 1 ? 8 : 4;
      const place = c.at;
      skip(c, length);
      yield { number, wire, value: 0, start: place, length };
    } else throw bad(source, `damaged or no protocol buffer: wire type ${wire} at ${c.at}`);
  }
}

const LONGEST_TEXT = 65_536;

/** A field's text. Throws InputError beyond 64 KiB. */
export function text(source: Source, { start, length, wire }: Field): string {
  if (wire !== 2 || length > LONGEST_TEXT) throw bad(source, `damaged: a text of ${length} bytes`);
  return Buffer.from(source.read(start, length)).toString('utf8');
}

const MOST_INTEGERS = 64;

/** Whole numbers of a repeated field, packed or not, added to `list`. Throws InputError beyond 64. */
export function integers(source: Source, field: Field, list: number[]): void {
  if (field.wire === 0) list.push(field.value);
  else if (field.wire === 2) {
    const c = cursor(source, field.start, field.start + field.length);
    while (c.at < c.end && list.length <= MOST_INTEGERS) list.push(small(c));
  } else throw bad(source, 'damaged: an integer field of another type');
  if (list.length > MOST_INTEGERS) throw bad(source, `damaged: more than ${MOST_INTEGERS} extents`);
}

/** How many values of `width` bytes the fields `number` of a message hold, packed or one by one. */
export function countFixed(source: Source, message: Field, number: number, width: 4 | 8): number {
  let bytes = 0;
  for (const field of fields(source, message.start, message.start + message.length)) {
    if (field.number === number) bytes += checkFixed(source, field, width);
  }
  return bytes / width;
}

function checkFixed(source: Source, field: Field, width: 4 | 8): number {
  const single = width === 4 ? 5 : 1;
  if (field.wire !== single && (field.wire !== 2 || field.length % width !== 0)) {
    throw bad(source, `damaged: ${field.length} bytes are no values of ${width}`);
  }
  return field.length;
}

/** The bytes of those values, joined; `size` of them are due. */
export function readFixed(
  source: Source,
  message: Field,
  number: number,
  width: 4 | 8,
  size: number,
): Uint8Array<ArrayBuffer> {
  let joined: Uint8Array<ArrayBuffer> | null = null;
  let at = 0;
  for (const field of fields(source, message.start, message.start + message.length)) {
    if (field.number !== number) continue;
    checkFixed(source, field, width);
    if (field.length === size) return source.read(field.start, size);
    joined ??= new Uint8Array(size);
    joined.set(field.length === width ? fixed(source, field) : source.read(field.start, field.length), at);
    at += field.length;
  }
  if (at !== size) throw bad(source, `damaged: ${at} bytes of values where ${size} are due`);
  return joined ?? new Uint8Array(0);
}

const fixed = (source: Source, field: Field): Uint8Array => take(cursor(source, field.start), field.length);

// ---- writing --------------------------------------------------------------------------------------------

function writeVarint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

const tag = (number: number, wire: number): number[] => writeVarint(number * 8 + wire);

/** A varint field. */
export const putInteger = (number: number, value: number): Uint8Array =>
  Uint8Array.from([...tag(number, 0), ...writeVarint(value)]);

/** A length-delimited field in pieces, its content not copied. */
export function putBytes(number: number, content: readonly Uint8Array[]): Uint8Array[] {
  const length = content.reduce((sum, piece) => sum + piece.length, 0);
  return [Uint8Array.from([...tag(number, 2), ...writeVarint(length)]), ...content];
}

export const putText = (number: number, value: string): Uint8Array[] =>
  putBytes(number, [Buffer.from(value, 'utf8')]);

/** A packed field of whole numbers. */
export const putIntegers = (number: number, values: readonly number[]): Uint8Array[] =>
  putBytes(number, [Uint8Array.from(values.flatMap(writeVarint))]);
