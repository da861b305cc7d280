/**
 * What is checked in an ONNX file before onnx-proto decodes it: the generated decoder recurses without a limit, lets
 * a message run past its parent, turns one byte of a packed integer into an object of fifty, and lets the last of two
 * graphs win where others merge them.
 *
 * Source: field numbers from onnx/onnx.proto (IR 8).
 */
import { type Field, fieldAt, invalid } from './wire.ts';

/**
 * The messages of an ONNX file: by field number what kind of message a field holds ([] where it is repeated), or
 * 'integers', a list of them. A 'leaf' holds neither.
 */
const messages = {
  model: { 7: 'graph', 8: 'leaf[]', 14: 'leaf[]', 20: 'training[]', 25: 'function[]' },
  training: { 1: 'graph', 2: 'graph', 3: 'leaf[]', 4: 'leaf[]' },
  function: { 7: 'node[]', 9: 'leaf[]' },
  graph: {
    1: 'node[]',
    5: 'tensor[]',
    11: 'info[]',
    12: 'info[]',
    13: 'info[]',
    14: 'annotation[]',
    15: 'sparse[]',
  },
  annotation: { 2: 'leaf[]' },
  node: { 5: 'attribute[]' },
  attribute: {
    5: 'tensor',
    6: 'graph',
    8: 'integers',
    10: 'tensor[]',
    11: 'graph[]',
    14: 'type',
    15: 'type[]',
    22: 'sparse',
    23: 'sparse[]',
  },
  tensor: { 1: 'integers', 3: 'leaf', 5: 'integers', 7: 'integers', 11: 'integers', 13: 'leaf[]' },
  sparse: { 1: 'tensor', 2: 'tensor', 3: 'integers' },
  info: { 2: 'type' },
  type: { 1: 'tensorType', 4: 'sequence', 5: 'map', 8: 'tensorType', 9: 'sequence' },
  tensorType: { 2: 'shape' },
  shape: { 1: 'leaf[]' },
  sequence: { 1: 'type' },
  map: { 2: 'type' },
  leaf: {},
} as const;

export type MessageKind = keyof typeof messages;
type Message = Readonly<Record<number, MessageKind | `${MessageKind}[]` | 'integers'>>;

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
export function checkWire(bytes: Uint8Array, root: MessageKind): void {
  const open: { message: Message; at: number; end: number; seen: Set<number> }[] = [];
  open.push({ message: messages[root], at: 0, end: bytes.length, seen: new Set() });
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
    if (!content.endsWith('[]') && top.seen.has(field.number)) {
      throw invalid(`field ${field.number} occurs twice in one message (byte ${field.tag})`);
    }
    top.seen.add(field.number);
    if (open.length >= MAX_DEPTH)
      throw invalid(`messages nested deeper than ${MAX_DEPTH} (byte ${field.tag})`);
    open.push({
      message: messages[content.replace('[]', '') as MessageKind],
      at: field.start,
      end: field.end,
      seen: new Set(),
    });
  }
}
