/**
 * The protobuf wire format: what is needed to check a file before onnx-proto decodes it, and to frame one
 * when writing.
 *
 * Why check first: the generated decoder recurses without a limit, lets a message run past its parent, turns
 * one byte of a packed integer into an object of fifty, and lets the last of two graphs win where others merge them.
 * Source: protobuf.dev/programming-guides/encoding; field numbers from onnx/onnx.proto (IR 8).
 */

/** One message's sub-messages and integer lists by field number; `many` where the field is repeated. */
interface Message {
  readonly [field: number]: { readonly type: () => Message; readonly many: boolean } | 'integers';
}

const one = (type: () => Message) => ({ type, many: false });
const many = (type: () => Message) => ({ type, many: true });

const leaf: Message = {};
const entry = () => leaf;
const tensor: Message = {
  1: 'integers',
  3: one(entry),
  7: 'integers',
  11: 'integers',
  5: 'integers',
  13: many(entry),
};
const sparse: Message = { 1: one(() => tensor), 2: one(() => tensor), 3: 'integers' };
const shape: Message = { 1: many(entry) };
const typed: Message = { 2: one(() => shape) };
const element: Message = { 1: one(() => type) };
const mapping: Message = { 2: one(() => type) };
const type: Message = {
  1: one(() => typed),
  4: one(() => element),
  5: one(() => mapping),
  8: one(() => typed),
  9: one(() => element),
};
const value: Message = { 2: one(() => type) };
const attribute: Message = {
  5: one(() => tensor),
  6: one(() => graph),
  8: 'integers',
  10: many(() => tensor),
  11: many(() => graph),
  14: one(() => type),
  15: many(() => type),
  22: one(() => sparse),
  23: many(() => sparse),
};
const node: Message = { 5: many(() => attribute) };
const annotation: Message = { 2: many(entry) };
const graph: Message = {
  1: many(() => node),
  5: many(() => tensor),
  11: many(() => value),
  12: many(() => value),
  13: many(() => value),
  14: many(() => annotation),
  15: many(() => sparse),
};
const training: Message = { 1: one(() => graph), 2: one(() => graph), 3: many(entry), 4: many(entry) };
const definition: Message = { 7: many(() => node), 9: many(entry) };
const model: Message = {
  7: one(() => graph),
  8: many(entry),
  14: many(entry),
  20: many(() => training),
  25: many(() => definition),
};

export const messages = { model, tensor };

/** Graphs inside graphs deeper than this are refused; real files have three levels (a loop inside a branch). */
const MAX_DEPTH = 64;
/** Fields and integers that become objects. A real model of a gigabyte has some ten thousand. */
const MAX_ITEMS = 8_000_000;

/** One field: where its content lies. Varints and fixed numbers have start and end around their bytes. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** Where the tag starts. */
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const refuse = (what: string): never => {
  throw new Error(`not a valid protobuf file: ${what}`);
};

/** [value, position after it]; values over 2⁵³ are only good for being skipped. */
function varint(bytes: Uint8Array, at: number, end: number): [number, number] {
  let value = 0;
  for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
    if (at >= end) refuse(`it ends inside a number (byte ${at})`);
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, at];
  }
  return refuse(`a number longer than ten bytes (byte ${at})`);
}

/** The field at byte `at` of a message that ends at `end`. Throws where it would run past it. */
export function fieldAt(bytes: Uint8Array, at: number, end: number): Field {
  const [tag, afterTag] = varint(bytes, at, end);
  const number = Math.floor(tag / 8);
  const wire = tag % 8;
  if (number < 1 || number > 0x1fffffff) refuse(`field number ${number} (byte ${at})`);
  let [start, stop] = [afterTag, afterTag];
  if (wire === 0) stop = varint(bytes, start, end)[1];
  else if (wire === 1) stop += 8;
  else if (wire === 5) stop += 4;
  else if (wire === 2) {
    const [length, content] = varint(bytes, start, end);
    start = content;
    stop = content + length;
  } else refuse(`wire type ${wire} (byte ${at})`);
  if (stop > end) refuse(`a field of ${stop - start} bytes where ${end - start} are left (byte ${at})`);
  return { number, wire, tag: at, start, end: stop };
}

/** How many numbers lie packed in a field: one for each byte without the continuation bit. */
function packed(bytes: Uint8Array, { wire, start, end }: Field): number {
  let count = 0;
  if (wire === 2) for (let i = start; i < end; i++) count += bytes[i] < 128 ? 1 : 0;
  return count;
}

/**
 * Walks over every message, without recursion and without looking into raw data. Throws one-line Errors on whatever
 * would make the generated decoder overflow its stack, read past a message, or fill the memory.
 */
export function checkWire(bytes: Uint8Array, root: Message): void {
  const open: { message: Message; at: number; end: number; seen: Set<number> }[] = [];
  open.push({ message: root, at: 0, end: bytes.length, seen: new Set() });
  let items = 0;
  while (open.length > 0) {
    const top = open[open.length - 1];
    if (top.at >= top.end) {
      open.pop();
      continue;
    }
    const field = fieldAt(bytes, top.at, top.end);
    top.at = field.end;
    items++;
    const content = top.message[field.number];
    if (content === 'integers') items += packed(bytes, field);
    if (items > MAX_ITEMS) refuse(`more than ${MAX_ITEMS} fields and integers`);
    if (content === undefined || content === 'integers') continue;
    if (field.wire !== 2) refuse(`field ${field.number} must be a message (byte ${field.tag})`);
    if (!content.many && top.seen.has(field.number)) {
      refuse(`field ${field.number} occurs twice in one message (byte ${field.tag})`);
    }
    top.seen.add(field.number);
    if (open.length >= MAX_DEPTH) refuse(`messages nested deeper than ${MAX_DEPTH} (byte ${field.tag})`);
    open.push({ message: content.type(), at: field.start, end: field.end, seen: new Set() });
  }
}

/** Tag and length in front of a field of `length` bytes (wire type 2). */
export function header(number: number, length: number): Uint8Array {
  const bytes: number[] = [];
  for (let value of [number * 8 + 2, length]) {
    for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}
