/**
 * Python pickles, protocols 0 to 5, as data: nothing is imported, called or executed.
 * Source: CPython's Lib/pickletools.py, which documents every opcode.
 *
 * A pickle is a program for a stack machine that may name any Python function and call it. Here a global that
 * is on a list of names (lib/format/pickle-globals.ts) is built by our own code, if it makes arrays or
 * dictionaries; every other becomes an inert object, which whoever needs it refuses by its name. What is built
 * stays within a budget made from the file's size.
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
import type { Globals, PickleValue } from './pickle-value.ts';
import { bad, type Source } from './source.ts';

const ALLOWANCE = 2 ** 25;

/** Why nothing can be had of a pickle in which there are names that are not known. */
export const refusal = ([name]: readonly string[]): string | undefined =>
  name && `refused: the pickle names '${name}', which is not on the list of harmless names`;

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
    if (!run) throw bad(source, `no pickle: byte ${code} at ${c.at - 1} is no known instruction`);
    spend(machine, SCALAR);
    run(machine);
  }
}
