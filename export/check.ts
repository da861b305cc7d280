/**
 * What is checked in an ONNX file before onnx-proto decodes it: the generated decoder recurses without a limit, lets
 * a message run past its parent, turns one byte of a packed integer into an object of fifty, and lets the last of two
 * graphs win where others merge them.
 *
 * Source: field numbers from onnx/onnx.proto (IR 8).
 */
import { type Field, fieldAt, invalid } from './wire.ts';

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
    if (items > MAX_ITEMS) throw invalid(`more than ${MAX_ITEMS} fields and integers`);
    if (content === undefined || content === 'integers') continue;
    if (field.wire !== 2) throw invalid(`field ${field.number} must be a message (byte ${field.tag})`);
    if (!content.many && top.seen.has(field.number)) {
      throw invalid(`field ${field.number} occurs twice in one message (byte ${field.tag})`);
    }
    top.seen.add(field.number);
    if (open.length >= MAX_DEPTH)
      throw invalid(`messages nested deeper than ${MAX_DEPTH} (byte ${field.tag})`);
    open.push({ message: content.type(), at: field.start, end: field.end, seen: new Set() });
  }
}
