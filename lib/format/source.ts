/**
 * Where the bytes of a file come from: memory or an open file. Every access is checked against the real
 * size.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { InputError } from '../errors.ts';

export interface Source {
  /** For messages: the path, or what the caller calls the bytes. */
  readonly name: string;
  readonly size: number;
  /**
   * A fresh copy of `length` bytes. Throws InputError if they are not all there; nothing is allocated
   * before.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Fills `target` with the bytes from `offset` on. Throws InputError if they are not all there. */
  readInto(target: Uint8Array, offset: number): void;
  close(): void;
}

/** An error about the file, in one line. */
export const bad = (source: { readonly name: string }, message: string): InputError =>
  new InputError(`${source.name}: ${message.replace(/\s+/g, ' ').slice(0, 400)}`);

function checkRange(source: Source, offset: number, length: number): void {
  if (!(Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0)) {
    throw bad(
      source,
      `damaged: a length or an offset is no whole number (offset ${offset}, length ${length})`,
    );
  }
  if (offset + length > source.size) {
    throw bad(source, `truncated: ${length} bytes are due at ${offset}, the file has ${source.size}`);
  }
}

/** Bytes in memory. */
export function fromBytes(bytes: Uint8Array, name = 'bytes'): Source {
  const source: Source = {
    name,
    size: bytes.byteLength,
    read(offset, length) {
      checkRange(source, offset, length);
      return Uint8Array.prototype.slice.call(bytes, offset, offset + length) as Uint8Array<ArrayBuffer>;
    },
    readInto(target, offset) {
      checkRange(source, offset, target.length);
      target.set(bytes.subarray(offset, offset + target.length));
    },
    close() {},
  };
  return source;
}

/**
 * Bytes that are handed over: what `read` returns are views of them. `size` may be more than is there yet,
 * where only the head of something long was fetched.
 */
export function adopt(bytes: Uint8Array<ArrayBuffer>, name: string, size = bytes.byteLength): Source {
  const source: Source = {
    name,
    size,
    read(offset, length) {
      checkRange({ ...source, size: bytes.byteLength }, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    readInto: (target, offset) => target.set(source.read(offset, target.length)),
    close() {},
  };
  return source;
}

/** A part of another source: an uncompressed member of an archive. */
export function section(whole: Source, start: number, size: number, name = whole.name): Source {
  checkRange(whole, start, size);
  const source: Source = {
    name,
    size,
    read(offset, length) {
      checkRange(source, offset, length);
      return whole.read(start + offset, length);
    },
    readInto(target, offset) {
      checkRange(source, offset, target.length);
      whole.readInto(target, start + offset);
    },
    close() {},
  };
  return source;
}

const PIECE = 2 ** 30;

function readFully(fd: number, source: Source, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(fd, bytes, done, Math.min(bytes.length - done, PIECE), offset + done);
    if (got === 0) throw bad(source, 'the file became shorter while it was read');
    done += got;
  }
}

/** What a system call's error means to the reader of one line. */
export function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'no permission to open it';
  if (code === 'EISDIR') return 'is a directory, not a file';
  if (code === 'ENAMETOOLONG') return 'the name is too long';
  return message;
}

/** An open file. The caller closes it. Throws InputError for what is missing, unreadable or no plain file. */
export function openFile(path: string): Source {
  const named = { name: path };
  let fd: number;
  try {
    const kind = statSync(path); // before opening: a named pipe would block
    if (kind.isDirectory()) throw bad(named, 'is a directory, not a file');
    if (!kind.isFile()) throw bad(named, 'is not a plain file');
    fd = openSync(path, 'r');
  } catch (error) {
    throw error instanceof InputError ? error : bad(named, describe(error));
  }
  const source: Source = {
    name: path,
    size: fstatSync(fd).size,
    read(offset, length) {
      checkRange(source, offset, length);
      const bytes = new Uint8Array(length);
      readFully(fd, source, offset, bytes);
      return bytes;
    },
    readInto(target, offset) {
      checkRange(source, offset, target.length);
      readFully(fd, source, offset, target);
    },
    close: () => closeSync(fd),
  };
  return source;
}
