/** Names for class numbers in a file of text. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readText } from '../disk/source.ts';
import { InputError } from '../errors.ts';

/** Those of classes.txt beside a file of weights, if there is one. InputError if their number is not `classes`. */
export async function classesBeside(
  weights: string,
  classes: number,
): Promise<{ readonly file: string; readonly names: readonly string[] } | undefined> {
  const file = join(dirname(weights), 'classes.txt');
  return existsSync(file) ? { file, names: await readClassNames(file, classes) } : undefined;
}

/**
 * One name a line, in the order of the classes, with or without a byte order mark. Throws InputError if their number
 * is not `classes`.
 */
export async function readClassNames(path: string, classes: number): Promise<readonly string[]> {
  const names = (await readText(path))
    .replace(/^\uFEFF/, '')
    .replace(/\r?\n$/, '')
    .split(/\r?\n/);
  if (names.length !== classes) {
    throw new InputError(`${path}: ${names.length} names for ${classes} classes (one name a line)`);
  }
  return names;
}
