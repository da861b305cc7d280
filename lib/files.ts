/** Writes files whole: to a temporary one that then takes the name, never over what the run reads. */
import { constants } from 'node:fs';
import { access, appendFile, mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { InputError } from './errors.ts';
import { forget, remember } from './temporary.ts';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is a file',
  EISDIR: 'it is a folder; give the name of a file',
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENAMETOOLONG: 'the name is too long',
};

/**
 * Whether reports can be written to `targets` (option → path). Throws InputError for a folder, a folder that does not
 * exist, one file for two reports, a file that the run reads (`inputs`) or that exists and is no report.
 */
export async function checkTargets(
  targets: ReadonlyMap<string, string>,
  inputs: readonly string[],
): Promise<void> {
  const taken = new Map<string, string>();
  const read = new Set((await Promise.all(inputs.map(identity))).filter((id) => id !== undefined));
  for (const [option, path] of targets) {
    const other = taken.get(resolve(path));
    if (other) throw new InputError(`${path}: ${other} and ${option} cannot share a file`);
    taken.set(resolve(path), option);
    const id = await identity(path);
    if (id !== undefined && read.has(id)) throw new InputError(`${path}: ${option} would overwrite an input`);
    const folder = await stat(folderOf(path)).catch(() => null);
    if (!folder?.isDirectory()) throw new InputError(`${path}: cannot be written: its folder does not exist`);
    await access(folderOf(path), constants.W_OK).catch((error) => {
      throw cannotWrite(path, error);
    });
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory())
      throw new InputError(`${path}: is a folder; ${option} takes the name of a file`);
    if (found?.isFile() && !(await looksLikeReport(path)))
      throw new InputError(`${path}: exists and is no report: ${option} takes another name`);
  }
}

const folderOf = (path: string): string => dirname(resolve(path));

/** Device and number of a file: the same under every name and link. */
async function identity(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  return found ? `${found.dev}:${found.ino}` : undefined;
}

/** JSON, XML and HTML begin with a brace or an angle bracket; models and arrays do not. */
async function looksLikeReport(path: string): Promise<boolean> {
  const file = await open(path).catch((error) => {
    throw cannotWrite(path, error);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    return /^\s*(?:[{<]|$)/.test(buffer.toString('latin1', 0, bytesRead));
  } finally {
    await file.close();
  }
}

/** A folder, made if need be. Throws InputError where a file is in the way or it cannot be made. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const inTheWay = error.code === 'EEXIST' || error.code === 'ENOTDIR';
    throw new InputError(`${path}: cannot write there: ${inTheWay ? 'it is not a folder' : error.message}`);
  });
}

/** Replaces the file at once. Throws InputError where it cannot be written; nothing half-written is left. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const found = await stat(path).catch(() => null);
  // a pipe or a device cannot be replaced
  const special = found !== null && !found.isFile() && !found.isDirectory();
  const partial = `${folderOf(path)}/.${basename(path)}.${process.pid}.partial`;
  try {
    if (special) return await writeFile(path, content);
    remember(partial);
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    throw cannotWrite(path, error as NodeJS.ErrnoException);
  } finally {
    await rm(partial, { force: true });
    forget(partial);
  }
}

const cannotWrite = (path: string, error: NodeJS.ErrnoException): InputError =>
  new InputError(`${path}: cannot be written: ${reasons[error.code ?? ''] ?? error.message}`);

/** Appends to a file that several steps share; answers why that was not possible. */
export async function append(path: string, text: string): Promise<string | undefined> {
  try {
    await appendFile(path, text);
    return undefined;
  } catch (error) {
    return cannotWrite(path, error as NodeJS.ErrnoException).message;
  }
}
