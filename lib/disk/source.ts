/** Files of the disk as sources: the one place from which the readers of lib/format get them. */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { EnvironmentError, InputError } from '../errors.ts';
import { bad, type Source, sourceOf } from '../format/source.ts';
import { shortage } from './errno.ts';
import { zlib } from './inflate.ts';

const PIECE = 2 ** 30;

function readFully(fd: number, name: string, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(fd, bytes, done, Math.min(bytes.length - done, PIECE), offset + done);
    if (got === 0) throw bad({ name }, 'the file became shorter while it was read');
    done += got;
  }
}

/** What a system call's error means to the reader of one line. */
export function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'no permission to open it';
  if (code === 'EISDIR') return 'is a directory, not a file';
  if (code === 'ENOTDIR') return 'is a file, not a directory';
  if (code === 'ENAMETOOLONG') return 'the name is too long';
  return message;
}

function unreadable(name: string, error: unknown): Error {
  const short = shortage(error);
  if (short) return new EnvironmentError(`${name}: cannot be read: ${short}`);
  return bad({ name }, describe(error));
}

/** The text of a file or a pipe. Rejects with InputError for what is missing, unreadable, a folder or blank. */
export async function readText(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error) => {
    throw unreadable(path, error);
  });
  if (text.trim() === '') throw bad({ name: path }, 'the file is empty');
  return text;
}

/** An open file. The caller closes it. Throws InputError for what is missing, unreadable or no plain file. */
export function openFile(path: string, name = path): Source {
  let fd: number;
  try {
    const kind = statSync(path); // before opening: a named pipe would block
    if (kind.isDirectory()) throw bad({ name }, 'is a directory, not a file');
    if (!kind.isFile()) throw bad({ name }, 'is not a plain file');
    fd = openSync(path, 'r');
  } catch (error) {
    throw error instanceof InputError ? error : unreadable(name, error);
  }
  return sourceOf(name, fstatSync(fd).size, {
    readInto: (target, offset) => readFully(fd, name, target, offset),
    beside: (location) => openBeside(path, location),
    unpacker: zlib,
    close: () => closeSync(fd),
  });
}

/**
 * A file below the folder of `path`. Refused: absolute paths, '..', symbolic links that lead out, whatever is not a
 * regular file. The attacks are those of CVE-2022-25882, CVE-2024-27318 and CVE-2024-5187.
 */
function openBeside(path: string, location: string): Source {
  const parts = location.split(/[\\/]/);
  const shown = `'${location.slice(0, 120)}'`;
  const absolute = isAbsolute(location) || /^[A-Za-z]:/.test(location);
  if (absolute || parts.includes('..') || location.includes('\0')) {
    throw new Error(`${shown} must be a path below the model's folder`);
  }
  const folder = realpathSync(dirname(resolve(path)));
  let found: string;
  try {
    found = realpathSync(resolve(folder, location));
  } catch {
    throw new Error(`there is no file ${location.slice(0, 120)} beside the model`);
  }
  const inside = relative(folder, found);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new Error(`${shown} leads out of the model's folder`);
  }
  return openFile(found, location);
}
