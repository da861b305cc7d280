/** Pictures for the specs: the project's own fixtures, and those of `../shared/data` beside the repository. */

import { existsSync, readFileSync } from 'node:fs';
import { readNpz } from './tensor-bytes.ts';

const fixtures = new URL('../../fixtures/image/', import.meta.url);
const folder = new URL('../../../shared/data/', import.meta.url);

export const shared = (path: string): URL => new URL(path, folder);
export const sharedPicture = (name: string): Uint8Array => readFileSync(shared(`images/${name}`));
export const fixture = (name: string): Uint8Array => readFileSync(new URL(name, fixtures));
export const fixturePath = (name: string): string => new URL(name, fixtures).pathname;

/** Skips the suite, saying why, if the shared data are absent. */
export function needsShared(this: Mocha.Context): void {
  if (existsSync(shared('images/manifest.json'))) return;
  console.log('    skipped: ../shared/data/images is not there');
  this.skip();
}

export interface Entry {
  readonly size: readonly [number, number] | null;
  readonly mode: string | null;
  readonly bit_depth: number | null;
  readonly exif_orientation: number | null;
  readonly pillow: string;
  readonly rgb_sha256: string | null;
}

export const manifest = (): Record<string, Entry> =>
  JSON.parse(readFileSync(shared('images/manifest.json'), 'utf8'));

export type Arrays = ReadonlyMap<string, ReturnType<typeof readNpz> extends Map<string, infer A> ? A : never>;

export const sharedArrays = (name: string): Arrays => readNpz(sharedPicture(name), name);
export const expected = (name = 'expected.npz'): Arrays => readNpz(fixture(name), name);

/** Largest and mean absolute difference of two arrays of equal length. */
export function differences(a: ArrayLike<number>, b: ArrayLike<number>): { max: number; mean: number } {
  if (a.length !== b.length || a.length === 0) throw new Error(`lengths ${a.length} and ${b.length}`);
  let max = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    max = Math.max(max, difference);
    sum += difference;
  }
  return { max, mean: sum / a.length };
}
