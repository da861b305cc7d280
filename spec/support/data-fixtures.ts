/** The tiny data sets of fixtures/data, and what NumPy and Pillow say is in them. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { InputError } from '../../lib/errors.ts';
import { readNpz } from './tensor-bytes.ts';

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/data/${name}`, import.meta.url));

const arrays = readNpz(readFileSync(fixture('expected.npz')), 'expected.npz');

export function expected(name: string): Uint8Array {
  const found = arrays.get(name)?.data;
  if (found instanceof Uint8Array) return found;
  throw new Error(`expected.npz has no bytes '${name}'`);
}

/** The one line of the InputError with which it fails. */
export async function refusal(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    expect(error, String(error)).to.be.instanceOf(InputError);
    const { message } = error as Error;
    expect(message).not.to.include('\n');
    return message;
  }
  throw new Error('it was accepted');
}
