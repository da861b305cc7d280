/**
 * The one way to write a file: beside its place under a name of its own, forced to the disk, then renamed onto it. A
 * process killed at any moment leaves the file before or the file after, and nobody ever sees half of one. Several
 * files together get their names only when all are written.
 *
 * Pipes, devices and open descriptors cannot be replaced; they are written into.
 */
import { constants, write as writeBytes } from 'node:fs';
import { appendFile, type FileHandle, link, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeError } from './errno.ts';
import { waitForLock } from './lock.ts';
import { admit, admitAll, type Guard, type Place, placeOf, type Target } from './target.ts';
import { forget, openTemporary, temporaryName } from './temporary.ts';

export interface Output extends Target {
  /** A text, bytes, or the bytes in pieces. */
  readonly content: string | Uint8Array | Iterable<Uint8Array>;
}

/**
 * Writes one file whole. Rejects with InputError where it must be kept or cannot be written, with EnvironmentError
 * where the disk is full; what was there before is then still there.
 */
export const writeWhole = (output: Output, guard: Guard = {}): Promise<void> =>
  writeTogether([output], guard);

/** Writes several files, all or none; they get their names in this order. Rejects as `writeWhole` does. */
export async function writeTogether(outputs: readonly Output[], guard: Guard = {}): Promise<void> {
  const places = await admitAll(outputs, guard);
  const ready: Ready[] = [];
  try {
    for (const [i, output] of outputs.entries()) {
      const place = places[i];
      if (place.kind === 'new' || place.kind === 'file')
        ready.push({ output, temporary: await guarded(output, () => prepare(output, place)) });
    }
    await takeNames(ready, guard);
  } finally {
    for (const { temporary } of ready) await rm(temporary, { force: true }).catch(() => {});
    forget(...ready.map(({ temporary }) => temporary));
  }
  for (const [i, output] of outputs.entries()) {
    const place = places[i];
    if (place.kind === 'stream') await guarded(output, () => writeStream(place.path, output));
    if (place.kind === 'descriptor') await guarded(output, () => writeThrough(place.fd, output));
  }
}

interface Ready {
  readonly output: Output;
  readonly temporary: string;
}

/** Names the output in errors of the file system. */
async function guarded<T>({ path }: Output, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw writeError(path, error);
  }
}

function* piecesOf({ content }: Output): Iterable<Uint8Array> {
  if (typeof content === 'string') yield Buffer.from(content);
  else if (content instanceof Uint8Array) yield content;
  else yield* content;
}

/** The whole content in a temporary file beside the place, with the mode and, where possible, the owner of what it
 * will replace. */
async function prepare(output: Output, place: Place & { kind: 'new' | 'file' }): Promise<string> {
  const mode = place.kind === 'file' ? 0o600 : 0o666;
  const { path, handle } = await openTemporary(dirname(place.path), mode);
  try {
    for (const piece of piecesOf(output)) await writeAll(handle.fd, piece);
    if (place.kind === 'file') await likeBefore(handle, place);
    await handle.sync();
    await handle.close();
    return path;
  } catch (error) {
    await handle.close().catch(() => {});
    await rm(path, { force: true }).catch(() => {});
    forget(path);
    throw error;
  }
}

async function likeBefore(handle: FileHandle, { stat }: Place & { kind: 'file' }): Promise<void> {
  const now = await handle.stat({ bigint: true });
  if (now.uid !== stat.uid || now.gid !== stat.gid) {
    // only root may give files away, and others only to a group of their own
    await handle
      .chown(Number(stat.uid), Number(stat.gid))
      .catch(() => handle.chown(Number(now.uid), Number(stat.gid)))
      .catch(() => {});
  }
  await handle.chmod(Number(stat.mode & 0o777n));
}

/** Gives all temporary files their names; where one fails, those before it are undone. */
async function takeNames(ready: readonly Ready[], guard: Guard): Promise<void> {
  const taken: Taken[] = [];
  // files that belong together must not mix with those of another writer
  const release = ready.length > 1 ? await namesLock(ready[0]) : () => {};
  try {
    for (const one of ready)
      taken.unshift(await guarded(one.output, () => takeName(one, guard, ready.length > 1)));
    for (const folder of new Set(taken.map(({ path }) => dirname(path)))) await syncFolder(folder);
  } catch (error) {
    for (const { undo } of taken) await undo().catch(() => {});
    throw error;
  } finally {
    for (const { before } of taken) if (before) await rm(before, { force: true }).catch(() => {});
    release();
  }
}

const namesLock = ({ output, temporary }: Ready): Promise<() => void> =>
  guarded(output, () => waitForLock(join(dirname(temporary), '.alexnet-names.lock')));

interface Taken {
  readonly path: string;
  /** Where the file before is kept until all have their names. */
  readonly before?: string;
  undo(): Promise<unknown>;
}

/** Errors of file systems that know no links. */
const NO_LINKS: readonly (string | undefined)[] = [
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EINVAL',
];

/**
 * What is there is looked at again, since it may have come while the content was written. Where nothing is there, the
 * name is a new link, as that never replaces anything. `keep`: the file before is kept under another name.
 */
async function takeName({ output, temporary }: Ready, guard: Guard, keep: boolean): Promise<Taken> {
  for (;;) {
    const place = await placeOf(output.path);
    await admit(output, place, guard);
    if (place.kind !== 'new' && place.kind !== 'file')
      throw Object.assign(new Error('it became a pipe or a device meanwhile'), { code: 'EEXIST' });
    const { path } = place;
    if (place.kind === 'file') {
      const before = keep ? await secondName(path) : undefined;
      await rename(temporary, path);
      return { path, before, undo: async () => before && rename(before, path) };
    }
    const undo = () => rm(path, { force: true });
    const failure = await link(temporary, path).then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    );
    if (failure === null) return { path, undo };
    if (failure.code === 'EEXIST') continue;
    if (!NO_LINKS.includes(failure.code)) throw failure;
    await rename(temporary, path);
    return { path, undo };
  }
}

/** Another name for a file, where the file system can give it one. */
async function secondName(path: string): Promise<string | undefined> {
  const name = temporaryName(dirname(path));
  return link(path, name).then(
    () => name,
    () => undefined,
  );
}

/** The new name itself; folders cannot be opened everywhere (Windows), where the file system sees to it. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => null);
  try {
    await handle?.sync().catch(() => {});
  } finally {
    await handle?.close();
  }
}

/** A pipe's writer waits here for a reader, as everywhere. */
async function writeStream(path: string, output: Output): Promise<void> {
  const handle = await open(path, constants.O_WRONLY);
  try {
    for (const piece of piecesOf(output)) await writeAll(handle.fd, piece);
  } finally {
    await handle.close();
  }
}

/** By the descriptor itself: opened anew by name, it would begin at the file's start again. */
async function writeThrough(fd: number, output: Output): Promise<void> {
  const stream = [undefined, process.stdout, process.stderr][fd];
  for (const piece of piecesOf(output)) {
    if (stream)
      await new Promise<void>((done, failed) => stream.write(piece, (e) => (e ? failed(e) : done())));
    else await writeAll(fd, piece);
  }
}

async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += await writeSome(fd, bytes, at);
}

/** 0 where a pipe is full for the moment. */
const writeSome = (fd: number, bytes: Uint8Array, at: number): Promise<number> =>
  new Promise((done, failed) =>
    writeBytes(fd, bytes, at, Math.min(bytes.length - at, 2 ** 30), null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(done, 5, 0);
      else if (error) failed(error);
      else done(written);
    }),
  );

/** Adds to a file that several programs share, such as the summary of a CI step. Returns why it could not, if so. */
export const append = (path: string, text: string): Promise<string | undefined> =>
  appendFile(path, text).then(
    () => undefined,
    (error) => writeError(path, error).message,
  );
