/**
 * The same model with other names: its nodes are n0, n1 … and its values v0, v1 …
 *
 * onnxruntime writes names into its profile as they are, so that one with a quotation mark ends a string there, and
 * hands results over in an object, where `__proto__` is not a name. Works on the file's bytes as tap does: weights are
 * copied once. Large ones can be kept out of the file: then they are not copied at all, and onnxruntime maps them.
 * What is spelled alike stays so, in subgraphs and functions too. Extents of 0 and −1, which others write for open
 * ones, are left out: onnxruntime takes 0 at its word.
 *
 * Source: field numbers from onnx/onnx.proto (IR 8); onnx/docs/ExternalData.md.
 */
import { checkWire } from './check.ts';
import { encodeTensor } from './proto.ts';
import { fieldAt, framed, framedText, joined, lengthOf } from './wire.ts';
import { dataFile } from './write.ts';

/** ModelProto.graph. */
const GRAPH = 7;

/** Raw data of as many bytes are large. */
const LARGE = 2 ** 20;

/** By message: which fields are names, which are messages with names in them, which are weights or are left out. */
const messages = {
  model: { 7: 'graph', 25: 'function' },
  graph: {
    1: 'node',
    2: 'nothing',
    5: 'tensor',
    11: 'info',
    12: 'info',
    13: 'info',
    14: 'nothing',
    15: 'sparse',
  },
  function: { 4: 'value', 5: 'value', 7: 'node' },
  node: { 1: 'value', 2: 'value', 3: 'nothing', 5: 'attribute' },
  attribute: { 6: 'graph', 11: 'graph' },
  tensor: { 8: 'value', 9: 'raw', 13: 'place', 14: 'place' },
  sparse: { 1: 'values' },
  values: { 8: 'value' },
  info: { 1: 'value', 2: 'type' },
  type: { 1: 'tensorType' },
  tensorType: { 2: 'shape' },
  shape: { 1: 'extent' },
  extent: {},
} as const;

type Message = keyof typeof messages;
/** A tensor's raw data, and where they would lie outside: what a file says of that beside raw data is stale. */
type Weights = 'raw' | 'place';

export interface Renamed {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The model without the further outputs: the same memory, and a reader joins the two pieces of the graph. */
  readonly untapped: Uint8Array<ArrayBuffer>;
  /** What belongs into the file `weights`: pieces of the model that was given, none where it has no large weights. */
  readonly weights: readonly Uint8Array[];
  /** What a value of the file is called now; undefined where the file has none of that name. */
  readonly valueNames: ReadonlyMap<string, string>;
  /** A text that speaks of n1 and v2, as one that speaks of the file's names. */
  original(text: string): string;
}

/**
 * `taps`: the bytes of a GraphProto whose outputs are the model's too (tap.ts). They follow as a second piece of its
 * graph, so that one copy of the weights serves with and without them (protobuf.dev: 'Last One Wins', of messages).
 * `weights`: the name of a file beside the model that large weights are read from; default: they stay inside.
 * Throws an Error of one line where the bytes are not a model.
 */
export function renamed(model: Uint8Array, taps = new Uint8Array(), weights?: string): Renamed {
  checkWire(model, 'model');
  const valueNames = new Map([['', '']]);
  const originals = new Map<string, string>();
  const outside = weights === undefined ? undefined : dataFile(weights);
  let nodes = 0;

  function valueName(name: string): string {
    const known = valueNames.get(name);
    if (known !== undefined) return known;
    const given = `v${valueNames.size - 1}`;
    valueNames.set(name, given);
    originals.set(given, name);
    return given;
  }

  function rewritten(file: Uint8Array, message: Message, start = 0, end = file.length): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    const moved = outside !== undefined && message === 'tensor' && isLarge(file, start, end);
    let copied = start;
    for (let at = start; at < end; ) {
      const field = fieldAt(file, at, end);
      at = field.end;
      if (message === 'extent' && field.number === 1 && field.value <= 0) {
        pieces.push(file.subarray(copied, field.tag));
        copied = field.end;
      }
      const what = (messages[message] as Record<number, Message | 'value' | Weights | 'nothing'>)[
        field.number
      ];
      if (what === undefined || (field.wire !== 2 && what !== 'place')) continue;
      if ((what === 'raw' || what === 'place') && !moved) continue;
      pieces.push(file.subarray(copied, field.tag));
      copied = field.end;
      if (what === 'value') pieces.push(...framedText(field.number, valueName(text(file, field))));
      else if (what === 'raw')
        pieces.push(encodeTensor(outside!.place(file.subarray(field.start, field.end))));
      else if (what !== 'nothing' && what !== 'place')
        pieces.push(...framed(field.number, rewritten(file, what, field.start, field.end)));
    }
    pieces.push(file.subarray(copied, end));
    if (message === 'graph') pieces.push(...framedText(2, 'graph'));
    if (message === 'node') {
      const given = `n${nodes++}`;
      originals.set(given, titleOf(file, start, end));
      pieces.push(...framedText(3, given));
    }
    return pieces;
  }

  const own = rewritten(model, 'model');
  const bytes = joined([...own, ...framed(GRAPH, rewritten(taps, 'graph'))]);
  return {
    bytes,
    untapped: bytes.subarray(0, lengthOf(own)),
    weights: outside?.pieces ?? [],
    valueNames,
    original: speakerOf(originals),
  };
}

/** Outside of what it is made by: it stays, and the weights shall not stay with it. */
const speakerOf =
  (originals: ReadonlyMap<string, string>) =>
  (said: string): string =>
    // n5_nchwc and v3_token_2 are onnxruntime's own
    said.replace(/(?<![A-Za-z0-9_])[nv]\d+(?![A-Za-z0-9])/g, (m) => originals.get(m) ?? m);

/** Whether a tensor's raw data are worth a place outside. */
function isLarge(file: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const field = fieldAt(file, at, end);
    at = field.end;
    if (field.number === 9 && field.end - field.start >= LARGE) return true;
  }
  return false;
}

/** A node's own name, else 'Relu → y'. */
function titleOf(file: Uint8Array, start: number, end: number): string {
  const found = new Map<number, string>();
  for (let at = start; at < end; ) {
    const field = fieldAt(file, at, end);
    at = field.end;
    const known = found.get(field.number);
    if (field.wire === 2 && field.number >= 2 && field.number <= 4)
      if (!known || field.number !== 2) found.set(field.number, text(file, field));
  }
  return found.get(3) || `${found.get(4) ?? ''} → ${found.get(2) || '?'}`;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const text = (file: Uint8Array, { start, end }: { readonly start: number; readonly end: number }): string =>
  decoder.decode(file.subarray(start, end));
