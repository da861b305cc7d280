/**
 * Temporary files: named at random, opened by one writer alone, removed when a signal ends the process, and where
 * it is killed outright, by the next run that writes into the same folder.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { type FileHandle, open, statfs } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { EnvironmentError } from '../errors.ts';
import { shortage } from './errno.ts';

const paths = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first to hear of the signal: a listener for one signal is gone when it has run. */
function removeAll(signal: NodeJS.Signals): void {
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
  if (paths.size === 0) for (const signal of signals) process.prependListener(signal, removeAll);
  paths.add(path);
}

/** These have their names, or are gone. */
export function forget(...done: readonly string[]): void {
  for (const path of done) paths.delete(path);
  if (paths.size === 0) for (const signal of signals) process.off(signal, removeAll);
}

/** Of files, and of folders of some kind. */
const NAME = /^(?:\.alexnet|alexnet-[a-z]+)-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{16}(?:\.tmp)?$/;

/** The end of a name that nobody else gives: whose it is, and a number. */
function ownName(): string {
  const { machine, pid, start } = self;
  return `${machine}-${pid}-${start}-${randomBytes(8).toString('hex')}`;
}

/** A name of its own in a folder. */
export const temporaryName = (folder: string): string => join(folder, `.alexnet-${ownName()}.tmp`);

export interface Temporary {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Opens a new temporary file. Whoever renames or removes it calls `forget`. */
export async function openTemporary(folder: string, mode: number): Promise<Temporary> {
  sweep(folder);
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
function sweep(folder: string): void {
  if (swept.has(folder)) return;
  swept.add(folder);
  try {
    for (const name of readdirSync(folder)) {
      const [, machine, pid, start] = NAME.exec(name) ?? [];
      if (machine === undefined || lives({ machine, pid: Number(pid), start: Number(start) })) continue;
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  } catch {} // somebody else's, or gone in the meantime
}

/**
 * A new folder below the system's temporary one, remembered before it is there: a signal finds it. Throws
 * EnvironmentError, naming TMPDIR.
 */
export function temporaryFolder(prefix: string): string {
  const parent = tmpdir();
  const folder = join(parent, prefix + ownName());
  sweep(parent);
  remember(folder);
  try {
    mkdirSync(folder, { mode: 0o700 });
    return folder;
  } catch (error) {
    forget(folder);
    const short = shortage(error);
    const missing =
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? 'it does not exist'
        : 'no permission to write there';
    throw new EnvironmentError(
      `${parent}: no temporary folder can be made: ${short ?? missing}; TMPDIR names another place`,
    );
  }
}

/** An error that came of a full temporary folder, as one that says so; every other as it is. */
export async function orFull(folder: string, error: unknown): Promise<unknown> {
  const room = await statfs(folder).catch(() => null);
  if (room && room.bavail > 0) return error;
  return new EnvironmentError(`${folder}: the temporary folder is full or gone; TMPDIR names another place`);
}

/** Which process wrote a temporary file or a lock. */
export interface ProcessId {
  /** Eight hex digits for machine and process namespace: numbers of other ones say nothing here. */
  readonly machine: string;
  readonly pid: number;
  /** When it began, in the kernel's clock ticks, as numbers are given out again; 0 where the system does not say. */
  readonly start: number;
}

/** This process, whichever of its threads asks. */
export const self: ProcessId = { machine: machineOf(), pid: process.pid, start: startOf(process.pid) ?? 0 };

/** Whether it may still be running. True for a process of another machine, which cannot be asked. */
export function lives({ machine, pid, start }: ProcessId): boolean {
  if (machine !== self.machine) return true;
  if (!runs(pid)) return false;
  const began = startOf(pid);
  return began === undefined || start === 0 || began === start;
}

/** Whether a process of that number runs, ours to signal or not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Containers often share a machine's name, never its process numbers. */
function machineOf(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {}
  return createHash('sha256').update(`${hostname()}\n${namespace}`).digest('hex').slice(0, 8);
}

/** Field 22 of /proc/PID/stat (proc(5)); −1 for one that has ended and was not waited for. */
function startOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the second field, the program's name, may hold blanks and parentheses
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return /[ZX]/.test(fields[0]) ? -1 : Number(fields[19]);
  } catch {
    return undefined;
  }
}
