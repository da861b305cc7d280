/**
 * Files that are whole or not there: written beside their place, forced to the disk, then renamed onto it. A
 * process killed at any moment leaves the file before or the file after, and at most NAME.tmp, which the next
 * write replaces.
 */
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { InputError } from '../errors.ts';

/** How bytes get into a file; specs give one that fails. */
export type Write = (handle: FileHandle, bytes: Uint8Array) => Promise<void>;

const writeAll: Write = async (handle, bytes) => {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
};

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EFBIG: 'the file is larger than the file system allows',
};

/** An InputError naming the file, for errors of the file system. */
export function writeError(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error as Error;
  return new InputError(`${path}: cannot be written: ${reasons[code] ?? message}`);
}

/** Replaces the file at once. Rejects with InputError naming it; what was there before is then still there. */
export async function writeAtomically(
  path: string,
  pieces: Iterable<Uint8Array>,
  write: Write = writeAll,
): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const handle = await open(temporary, 'w');
    try {
      for (const piece of pieces) await write(handle, piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, error);
  }
}

/** The new name itself; folders cannot be opened everywhere (Windows), where the file system sees to it. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  try {
    await handle?.sync().catch(() => {});
  } finally {
    await handle?.close();
  }
}

/** Makes a folder. Rejects with InputError naming it. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error) => {
    throw writeError(path, error);
  });
}
