/** Folders that are made for what is written into them. */
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { writeError } from './errno.ts';

/**
 * Makes a folder and those around it, if need be. The function that is returned removes those that were made and
 * are still empty. Throws InputError where a file is in the way or it cannot be made.
 */
export async function makeFolder(path: string): Promise<() => Promise<void>> {
  const made: string[] = [];
  const removeEmpty = async (): Promise<void> => {
    for (const folder of made.toReversed()) await rmdir(folder).catch(() => {});
  };
  try {
    // one by one: Node's own recursive mkdir never returns for a folder in /proc
    for (const folder of await missing(resolve(path))) if (await makeOne(folder)) made.push(folder);
    return removeEmpty;
  } catch (error) {
    await removeEmpty();
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new InputError(`${path}: cannot be written: no folder can be made there`);
    throw writeError(path, error);
  }
}

/** False where another process was faster. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    const faster = (error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(folder)).isDirectory();
    if (!faster) throw error;
    return false;
  }
}

/** The folders that are not there yet, the outermost first. */
async function missing(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found?.isDirectory()) return [];
  if (found) throw new InputError(`${path}: cannot be written: it is not a folder`);
  return [...(await missing(dirname(path))), path];
}
