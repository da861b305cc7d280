/** What the file system's error codes mean to the reader of one line, and how each is mended. */
import { EnvironmentError, InputError } from '../errors.ts';

/** Another name mends these: exit 2. */
const refusals: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is a file',
  EISDIR: 'it is a folder; give the name of a file',
  EACCES: 'no permission to write there',
  EPERM: 'no permission to write there',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its symbolic links lead in a circle',
  EPIPE: 'its reader has gone',
  ENXIO: 'nothing is behind it',
};

/** The machine is short of something: exit 3. */
const shortages: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: make room, or choose another disk',
  EDQUOT: 'the disk quota is used up: make room, or choose another disk',
  EFBIG: 'the file is larger than the file system or `ulimit -f` allows',
  EIO: 'the disk reports an error',
  EMFILE: 'too many files are open: raise `ulimit -n`',
  ENFILE: 'too many files are open on this machine',
  ENOMEM: 'the memory is used up',
  EAGAIN: 'the machine is short of processes or memory',
};

/** What the machine is short of, where that is what the error says. */
export function shortage(error: unknown): string | undefined {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (
    error instanceof RangeError &&
    /allocation failed|could not allocate memory|Invalid typed array length/.test(message)
  )
    return 'the memory is used up';
  return Object.hasOwn(shortages, code) ? shortages[code] : undefined;
}

/**
 * An error of the file system as one line that names the file: EnvironmentError where the machine is short of
 * something, else InputError. Errors of any other kind are given back as they are.
 */
export function writeError(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return error as Error;
  const short = shortage(error);
  if (short) return new EnvironmentError(`${path}: cannot be written: ${short}`);
  return new InputError(`${path}: cannot be written: ${refusals[code] ?? message}`);
}
