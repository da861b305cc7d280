/**
 * Temporary files: named at random, opened by one writer alone, removed when a signal ends the process, and where
 * it is killed outright, by the next run that writes into the same folder.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentError } from '../errors.ts';
import { shortage } from './errno.ts';
import { lives, self } from './process.ts';

const paths = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function removeAll(signal: (typeof signals)[number]): void {
  if (process.listenerCount(signal) > 1) return;
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  forget(...paths);
  process.kill(process.pid, signal);
}

/**
 * Removes this file or folder if a signal ends the process before `forget`. Where a program handles the signal
 * itself, that is left to it.
 */
export function remember(path: string): void {
  if (paths.size === 0) for (const signal of signals) process.on(signal, removeAll);
  paths.add(path);
}

/** These have their names, or are gone. */
export function forget(...done: readonly string[]): void {
  for (const path of done) paths.delete(path);
  if (paths.size === 0) for (const signal of signals) process.off(signal, removeAll);
}

const NAME = /^\.alexnet-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{16}\.tmp$/;

/** A name of its own in a folder. */
export function temporaryName(folder: string): string {
  const { machine, pid, start } = self;
  return join(folder, `.alexnet-${machine}-${pid}-${start}-${randomBytes(8).toString('hex')}.tmp`);
}

export interface Temporary {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Opens a new temporary file. Whoever renames or removes it calls `forget`. */
export async function openTemporary(folder: string, mode: number): Promise<Temporary> {
  await sweep(folder);
  const path = temporaryName(folder);
  remember(path);
  try {
    return { path, handle: await open(path, 'wx', mode) };
  } catch (error) {
    forget(path);
    throw error;
  }
}

/** Folders that this process has swept: once is enough. */
const swept = new Set<string>();

/** Removes what processes that are gone have left in a folder. */
async function sweep(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  for (const name of await readdir(folder).catch(() => [])) {
    const [, machine, pid, start] = NAME.exec(name) ?? [];
    if (machine === undefined || lives({ machine, pid: Number(pid), start: Number(start) })) continue;
    await rm(join(folder, name), { force: true }).catch(() => {});
  }
}

/** A new folder below the system's temporary one. Rejects with EnvironmentError, naming TMPDIR. */
export async function temporaryFolder(prefix: string): Promise<string> {
  const parent = tmpdir();
  return mkdtemp(join(parent, prefix)).catch((error: NodeJS.ErrnoException) => {
    const short = shortage(error);
    const missing = error.code === 'ENOENT' ? 'it does not exist' : 'no permission to write there';
    throw new EnvironmentError(
      `${parent}: no temporary folder can be made: ${short ?? missing}; TMPDIR names another place`,
    );
  });
}

/** An error that came of a full temporary folder, as one that says so; every other as it is. */
export async function orFull(folder: string, error: unknown): Promise<unknown> {
  const room = await statfs(folder).catch(() => null);
  if (room && room.bavail > 0) return error;
  return new EnvironmentError(`${folder}: the temporary folder is full or gone; TMPDIR names another place`);
}
