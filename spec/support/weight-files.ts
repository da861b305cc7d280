/** The shared weights, which are not in the repository: a spec that needs them skips itself, saying so. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openTensorFile } from '../../lib/disk/tensors.ts';

const folder = new URL('../../../shared/data/', import.meta.url);

/** Path of a shared file. */
export const sharedPath = (name: string): string => fileURLToPath(new URL(name, folder));

/** Skips the test or the suite if the shared data are not there. */
export function needShared(context: Mocha.Context): void {
  if (existsSync(folder)) return;
  console.log('    skipped: ../shared/data is not there');
  context.skip();
}

/** All arrays of a file, by name. */
export async function arraysOf(path: string) {
  const file = await openTensorFile(path);
  try {
    return new Map([...file.tensors].map(([name, array]) => [name, array.read()]));
  } finally {
    file.close();
  }
}
