/**
 * Python pickles, protocols 0 to 5, as data: nothing is imported, called or executed.
 * Source: CPython's Lib/pickletools.py, which documents every opcode.
 *
 * A pickle is a program for a stack machine that may name any Python function and call it. Here a global
 * must be on a list of names (lib/format/globals.ts); it becomes an inert object or, for the dozen that
 * make arrays and dictionaries, is built by our own code. Any other global is refused by its name. What is
 * built stays within a budget made from the file's size.
 *
 *   Python           here
 *   str, bytes       string (bytes as latin-1, one character a byte), or Slice where long
 *   int, float       number (bigint beyond 2⁵³)
 *   list, tuple, set array
 *   dict             Map
 *   class, function  Global;  instance  Instance
 */
import { byte, cursor } from './cursor.ts';
import { type Machine, opcodes, pop, SCALAR, spend } from './pickle-opcodes.ts';
import { bad, type Source } from './source.ts';

/** A long string that stays in the file. */
export interface Slice {
  readonly kind: 'slice';
  readonly source: Source;
  readonly offset: number;
  readonly length: number;
  /** utf8: the bytes are the UTF-8 form of text; latin1: they are the bytes themselves. */
  readonly coding: 'utf8' | 'latin1';
}

export interface Global {
  readonly kind: 'global';
  /** 'module name'. */
  readonly name: string;
}

export interface Instance {
  readonly kind: 'instance';
  readonly type: string;
  readonly args: readonly Value[];
  state: Value;
}

/** Anything a builder makes: tensors, arrays, storages. */
export interface Built {
  readonly kind: 'built';
  readonly what: string;
  readonly content: unknown;
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Value[]
  | Map<Value, Value>
  | Slice
  | Global
  | Instance
  | Built;

/** What may be named, and what is made of a call to it. */
export interface Globals {
  /** The value for a global; undefined if it is not on the list. */
  find(module: string, name: string): Global | undefined;
  /** What a call gives: built by our own code. Throws Error with a reason. */
  build(name: string, args: readonly Value[]): Value;
  /** What giving `object` its state makes of it; undefined to keep the state aside. */
  setState?(object: Value, state: Value): Value | undefined;
  /** For a persistent id, which PyTorch uses for storages. */
  persistent?(id: Value): Value;
}

const ALLOWANCE = 2 ** 25;

/** The value that the pickle at `at` describes, and where it ends. Throws InputError naming the file. */
export function unpickle(source: Source, globals: Globals, at = 0): { value: Value; end: number } {
  const c = cursor(source, at);
  const budget = ALLOWANCE + 2 * source.size;
  const machine: Machine = { c, globals, stack: [], marks: [], memo: new Map(), budget };
  for (;;) {
    const code = byte(c);
    if (code === 0x2e) return { value: pop(machine), end: c.at };
    const run = opcodes[code];
    if (!run) throw bad(source, `no pickle: byte ${code} at ${c.at - 1} is no known instruction`);
    spend(machine, SCALAR);
    run(machine);
  }
}

export function isKind<K extends 'global' | 'instance' | 'built' | 'slice'>(
  value: Value,
  kind: K,
): value is Extract<Value, { kind: K }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}
