/**
 * What --preprocess means: a network's own preprocessing by its name, or a JSON file of the form that --json
 * and metadata use.
 */
import { readFile } from 'node:fs/promises';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { networks } from '../../reference/networks/index.ts';
import { describe } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { parsePreprocess } from '../weights/preprocess.ts';

/** Throws InputError naming the file. */
export async function readPreprocess(word: string): Promise<Preprocess> {
  const known = networks.find(({ name }) => name === word);
  if (known) return known.preprocess;
  const text = await readFile(word, 'utf8').catch((error) => {
    throw new InputError(`--preprocess ${word}: no network's name, and as a file: ${describe(error)}`);
  });
  try {
    return parsePreprocess(text);
  } catch (error) {
    throw new InputError(`${word}: ${(error as Error).message}`);
  }
}
