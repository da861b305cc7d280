/**
 * Python pickles, protocols 0 to 5, as data: nothing is imported, called or executed.
 * Source: CPython's Lib/pickletools.py, which documents every opcode.
 *
 * A pickle is a program for a stack machine that may name any Python function and call it. Here a global that is on a
 * list of names (lib/format/pickle-globals.ts) is built by our own code, if it makes arrays or dictionaries; every
 * other becomes an inert object, which whoever needs it refuses by its name. What is built stays within a budget made
 * from the file's size.
 *
 *   Python           here
 *   str, bytes       string (bytes as latin-1, one character per byte), or Slice where long
 *   int, float       number (bigint beyond 2⁵³)
 *   list, tuple, set array
 *   dict             Map
 *   class, function  Global;  instance  Instance
 */

import { type Globals, isKind, type PickleValue, type Slice } from './pickle-value.ts';
import {
  about,
  bad,
  byte,
  type Cursor,
  cursor,
  float64BigEndian,
  int32,
  line,
  type Source,
  skip,
  take,
  uint16,
  uint32,
  uint64,
} from './source.ts';
import { fromLatin1, fromUtf8, toLatin1 } from './strings.ts';

const ALLOWANCE = 2 ** 25;

/** Why nothing can be had of a pickle in which there are names that are not known. */
export function whyRefused([name]: readonly string[]): string | undefined {
  if (name === 'torch._utils._rebuild_tensor_v3' || name?.startsWith('torch.float8'))
    return 'tensors of a type that is not read (float8 or the like): save them as float32, {k: v.float() for k, v in …}';
  return name && `refused: the pickle names '${name}', which is not on the list of harmless names`;
}

/**
 * The value that the pickle at `at` describes, where it ends, and the names in it that are not known. Throws
 * InputError naming the file.
 */
export function unpickle(
  source: Source,
  globals: Globals,
  at = 0,
): { value: PickleValue; end: number; unknown: readonly string[] } {
  const c = cursor(source, at);
  const budget = ALLOWANCE + 2 * source.size;
  const machine: Machine = { c, globals, stack: [], marks: [], memo: new Map(), unknown: [], budget };
  for (;;) {
    const code = byte(c);
    if (code === 0x2e) return { value: pop(machine), end: c.at, unknown: machine.unknown };
    const run = opcodes[code];
    if (!run) throw bad(source, `not a pickle: byte ${code} at ${c.at - 1} is not a known instruction`);
    spend(machine, SCALAR);
    run(machine);
  }
}

interface Machine {
  readonly c: Cursor;
  readonly globals: Globals;
  stack: PickleValue[];
  readonly marks: PickleValue[][];
  readonly memo: Map<number, PickleValue>;
  /** Names that are on no list. */
  readonly unknown: string[];
  /** Bytes that may still be built. */
  budget: number;
}

/** Bytes that are reckoned for a container and for anything else. */
const CONTAINER = 256;
const SCALAR = 48;
const LONGEST_LINE = 1 << 20;
const LONG_STRING = 4096;

function fail(m: Machine, message: string): never {
  throw bad(m.c.source, message);
}

function spend(m: Machine, bytes: number): void {
  m.budget -= bytes;
  if (m.budget < 0) fail(m, 'refused: the pickle would build far more than the file holds');
}

function pop(m: Machine): PickleValue {
  const value = m.stack.pop();
  return value !== undefined ? value : fail(m, 'damaged pickle: the stack is empty');
}

function top(m: Machine): PickleValue {
  const value = pop(m);
  push(m, value);
  return value;
}

const push = (m: Machine, value: PickleValue): void => void m.stack.push(value);

function toMark(m: Machine): PickleValue[] {
  const items = m.stack;
  m.stack = m.marks.pop() ?? fail(m, 'damaged pickle: no mark on the stack');
  return items;
}

function container<T extends PickleValue[] | Map<PickleValue, PickleValue>>(m: Machine, value: T): void {
  spend(m, CONTAINER);
  push(m, value);
}

function fetch(m: Machine, key: number): void {
  const value = m.memo.get(key);
  push(m, value !== undefined ? value : fail(m, `damaged pickle: nothing was remembered as ${key}`));
}

function string(m: Machine, length: number, coding: Slice['coding']): void {
  const { c } = m;
  if (length > LONG_STRING) {
    const offset = c.at;
    skip(c, length);
    push(m, { kind: 'slice', source: c.source, offset, length, coding });
    return;
  }
  spend(m, 2 * length);
  push(m, (coding === 'utf8' ? fromUtf8 : fromLatin1)(take(c, length)));
}

/** Python's repr of a byte string: the only escapes it makes. */
function unquote(m: Machine, text: string): string {
  const quote = text[0];
  if (text.length < 2 || !['"', "'"].includes(quote) || !text.endsWith(quote)) {
    fail(m, 'damaged pickle: a string without quotes');
  }
  const named: Record<string, string> = { n: '\n', t: '\t', r: '\r' };
  return text
    .slice(1, -1)
    .replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex, other) =>
      hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (named[other] ?? other),
    );
}

const plain = (text: string): string =>
  text.replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

function decimal(m: Machine, text: string): PickleValue {
  const digits = text.replace(/L$/, '');
  if (text === '00' || text === '01') return text === '01';
  if (!/^-?\d{1,400}$/.test(digits)) fail(m, `damaged pickle: '${text.slice(0, 40)}' is not a number`);
  return narrow(BigInt(digits));
}

const narrow = (value: bigint): PickleValue =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : value;

function long(m: Machine, length: number): void {
  if (length > 255) fail(m, `refused: an integer of ${length} bytes`);
  const bytes = [...take(m.c, length)].reverse();
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  push(m, narrow(BigInt.asIntN(8 * length, length === 0 ? 0n : BigInt(`0x${hex}`))));
}

function real(m: Machine): void {
  const text = line(m.c, 400);
  const value = { nan: Number.NaN, inf: Infinity, '-inf': -Infinity }[text.toLowerCase()] ?? Number(text);
  if (text.trim() === '') fail(m, 'damaged pickle: an empty number');
  push(m, value);
}

function find(m: Machine, module: string, name: string): void {
  const found = m.globals.find(module, name);
  const label = `${module}.${name}`.replace(/[^\x21-\x7e]/g, '?').slice(0, 120);
  if (!found) m.unknown.push(label);
  spend(m, found ? 0 : CONTAINER);
  push(m, found ?? { kind: 'global', name: label, unknown: true });
}

const lengthOf = (value: PickleValue): number =>
  Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;

/** A call, or an instance of a class: what the list of globals makes of it. */
function call(m: Machine, callee: PickleValue, args: PickleValue): void {
  if (!isKind(callee, 'global')) fail(m, 'refused: the pickle calls something that is not a known function');
  if (!Array.isArray(args)) fail(m, 'damaged pickle: arguments that are not a tuple');
  spend(m, CONTAINER + SCALAR * args.reduce<number>((sum, arg) => sum + lengthOf(arg), 0));
  const { name, unknown } = callee;
  const { source } = m.c;
  const build = () => about(name, () => m.globals.build(name, args));
  push(m, unknown ? { kind: 'instance', type: name, args, state: null } : about(source.name, build));
}

function putItems(m: Machine, items: readonly PickleValue[]): void {
  const dict = top(m);
  const isDict = dict instanceof Map;
  if (!isDict && !isKind(dict, 'instance')) fail(m, 'damaged pickle: items for something that is not a dict');
  if (items.length % 2 !== 0) fail(m, 'damaged pickle: a key without a value');
  spend(m, SCALAR * items.length);
  if (isDict) for (let i = 0; i < items.length; i += 2) dict.set(items[i], items[i + 1]);
}

function append(m: Machine, items: readonly PickleValue[]): void {
  const list = top(m);
  if (Array.isArray(list)) for (const item of items) list.push(item);
  else if (!isKind(list, 'instance')) fail(m, 'damaged pickle: items for something that is not a list');
}

function build(m: Machine): void {
  const state = pop(m);
  const object = pop(m);
  const replaced = about(m.c.source.name, () => m.globals.setState?.(object, state));
  if (replaced === undefined && isKind(object, 'instance')) object.state = state;
  push(m, replaced ?? object);
}

function persistent(m: Machine, id: PickleValue): void {
  const find = m.globals.persistent ?? fail(m, 'refused: a persistent id in a plain pickle');
  spend(m, CONTAINER);
  push(
    m,
    about(m.c.source.name, () => find(id)),
  );
}

const tuple = (count: number) => (m: Machine) => {
  const items = Array.from({ length: count }, () => pop(m)).reverse();
  container(m, items);
};

const textOf = (m: Machine, value: PickleValue): string =>
  typeof value === 'string' ? value : fail(m, 'damaged pickle: a name that is not text');

type Run = (m: Machine) => void;
const opcodes: (Run | undefined)[] = [];
/** What each of these codes, characters of one byte, does. */
const op = (codes: string, run: Run): void => {
  for (const code of codes) opcodes[code.charCodeAt(0)] = run;
};

op('(', (m) => {
  spend(m, CONTAINER);
  m.marks.push(m.stack);
  m.stack = [];
});
op('0', (m) => {
  if (m.stack.length > 0) pop(m);
  else toMark(m);
});
op('1', (m) => void toMark(m));
op('2', (m) => push(m, top(m)));
op('N', (m) => push(m, null));
op('\x88', (m) => push(m, true));
op('\x89', (m) => push(m, false));
op('IL', (m) => push(m, decimal(m, line(m.c, LONGEST_LINE))));
op('J', (m) => push(m, int32(m.c)));
op('K', (m) => push(m, byte(m.c)));
op('M', (m) => push(m, uint16(m.c)));
op('\x8a', (m) => long(m, byte(m.c)));
op('\x8b', (m) => long(m, uint32(m.c)));
op('F', real);
op('G', (m) => push(m, float64BigEndian(m.c)));
op('S', (m) => push(m, unquote(m, line(m.c, LONGEST_LINE))));
op('V', (m) => push(m, plain(fromUtf8(toLatin1(line(m.c, LONGEST_LINE))))));
op('UC', (m) => string(m, byte(m.c), 'latin1'));
op('TB', (m) => string(m, uint32(m.c), 'latin1'));
op('\x8e\x96', (m) => string(m, uint64(m.c), 'latin1'));
op('X', (m) => string(m, uint32(m.c), 'utf8'));
op('\x8c', (m) => string(m, byte(m.c), 'utf8'));
op('\x8d', (m) => string(m, uint64(m.c), 'utf8'));
op('])\x8f', (m) => container(m, []));
op('}', (m) => container(m, new Map()));
op('tl\x91', (m) => container(m, toMark(m)));
op('\x85', tuple(1));
op('\x86', tuple(2));
op('\x87', tuple(3));
op('d', (m) => {
  const items = toMark(m);
  container(m, new Map());
  putItems(m, items);
});
op('s', (m) => {
  const value = pop(m);
  putItems(m, [pop(m), value]);
});
op('u', (m) => putItems(m, toMark(m)));
op('a', (m) => append(m, [pop(m)]));
op('e\x90', (m) => append(m, toMark(m)));
op('p', (m) => void m.memo.set(Number(line(m.c, 20)), top(m)));
op('q', (m) => void m.memo.set(byte(m.c), top(m)));
op('r', (m) => void m.memo.set(uint32(m.c), top(m)));
op('\x94', (m) => void m.memo.set(m.memo.size, top(m)));
op('g', (m) => fetch(m, Number(line(m.c, 20))));
op('h', (m) => fetch(m, byte(m.c)));
op('j', (m) => fetch(m, uint32(m.c)));
op('c', (m) => find(m, line(m.c, 1000), line(m.c, 1000)));
op('\x93', (m) => {
  const name = pop(m);
  find(m, textOf(m, pop(m)), textOf(m, name));
});
op('i', (m) => {
  find(m, line(m.c, 1000), line(m.c, 1000));
  const callee = pop(m);
  call(m, callee, toMark(m));
});
op('o', (m) => {
  const [callee, ...args] = toMark(m);
  call(m, callee ?? null, args);
});
const reduce: Run = (m) => {
  const args = pop(m);
  call(m, pop(m), args);
};
op('R\x81', reduce);
op('\x92', (m) => {
  pop(m); // keyword arguments
  reduce(m);
});
op('b', build);
op('P', (m) => persistent(m, line(m.c, 1000)));
op('Q', (m) => persistent(m, pop(m)));
op('\x80', (m) => {
  const version = byte(m.c);
  if (version > 5) fail(m, `pickle protocol ${version} is not known (0 to 5 are)`);
});
op('\x95', (m) => void uint64(m.c));
