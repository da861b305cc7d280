/**
 * Writes a model to disk: to a temporary file beside it first, which then takes its name, so that nobody ever
 * sees half a model; external data go first.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ModelFile } from '../../export/index.ts';
import { InputError } from '../errors.ts';
import { forget, remember } from '../temporary.ts';

/**
 * Writes `file` to `target`, and its external data, if any, beside it. Throws an InputError that names the file where
 * that is not possible (a folder, no space, no permission); temporary files are removed then.
 */
export async function writeModelFile(
  target: string,
  file: Pick<ModelFile, 'chunks' | 'external'>,
): Promise<void> {
  const parts = [{ target, chunks: file.chunks() }];
  const { external } = file;
  if (external) {
    const beside = path.join(path.dirname(target), external.location);
    if (path.resolve(beside) === path.resolve(target))
      throw new InputError(`${target}: the external data must have another name than the model`);
    parts.unshift({ target: beside, chunks: external.chunks() });
  }
  const written: { target: string; temporary: string }[] = [];
  let current = target;
  try {
    for (const part of parts) {
      current = part.target;
      const temporary = `${part.target}.${process.pid}.tmp`;
      await refuseFolder(part.target);
      written.push({ target: part.target, temporary });
      remember(temporary);
      await writeChunks(temporary, part.chunks);
    }
    for (const part of written) {
      current = part.target;
      await fs.rename(part.temporary, part.target);
    }
  } catch (error) {
    for (const { temporary } of written) await fs.rm(temporary, { force: true }).catch(() => {});
    throw asInputError(current, error as NodeJS.ErrnoException);
  } finally {
    forget(...written.map(({ temporary }) => temporary));
  }
}

async function writeChunks(file: string, chunks: Iterable<Uint8Array>): Promise<void> {
  const handle = await fs.open(file, 'w');
  try {
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
    }
  } finally {
    await handle.close();
  }
}

/** Renaming a file onto an empty folder would fail only at the end, after everything was written. */
async function refuseFolder(target: string): Promise<void> {
  const found = await fs.stat(target).catch(() => null);
  if (found?.isDirectory()) throw new InputError(`${target}: is a folder; give the name of a file`);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is a file',
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EISDIR: 'is a folder; give the name of a file',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'the file is larger than the file system allows',
};

function asInputError(file: string, error: NodeJS.ErrnoException): Error {
  if (error instanceof InputError || error.code === undefined) return error;
  return new InputError(`${file}: cannot be written: ${reasons[error.code] ?? error.message}`);
}
