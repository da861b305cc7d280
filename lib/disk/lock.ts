/**
 * A lock is a file that names the process which holds it. It appears whole or not at all, as a link to a file that
 * is already written. One whose process is gone is taken over.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { writeError } from './errno.ts';
import { forget, lives, type ProcessId, remember, self, temporaryName } from './temporary.ts';

interface Holder extends ProcessId {
  readonly host: string;
  /** ISO 8601. */
  readonly since: string;
  /** Tells this lock from every other, of the same process too. */
  readonly token: string;
}

export interface Lock {
  /** Whether a process that is gone had left it. */
  readonly takenOver: boolean;
  release(): void;
}

const FOLDER_LOCK = '.alexnet.lock';

/** Locks a folder for one process. Throws InputError that names the process which holds it. */
export function lockFolder(folder: string): Lock {
  const got = take(join(folder, FOLDER_LOCK));
  if ('release' in got) return got;
  throw held(folder, got);
}

/** Without locking it: whether a process that is gone left a lock there. Throws as lockFolder does. */
export function lookAtLock(folder: string): boolean {
  const holder = holderOf(join(folder, FOLDER_LOCK));
  if (holder && lives(holder)) throw held(folder, holder);
  return holder !== null;
}

function held(folder: string, { pid, host, machine, since }: Holder): InputError {
  const path = join(folder, FOLDER_LOCK);
  const where = machine === self.machine ? '' : ` on ${host} (if it is gone there, remove ${path})`;
  const who =
    machine === self.machine && pid === self.pid ? `this process (${pid})` : `process ${pid}${where}`;
  return new InputError(`${folder}: ${who} writes there since ${since}: wait for it, or name another folder`);
}

const PAUSE = 10;
const LONGEST = 60_000;

/** Waits until the lock is free; returns what releases it. Throws InputError after a minute. */
export async function waitForLock(path: string): Promise<() => void> {
  for (let waited = 0; waited < LONGEST; waited += PAUSE) {
    const got = take(path);
    if ('release' in got) return got.release;
    await new Promise((done) => setTimeout(done, PAUSE));
  }
  throw new InputError(`${path}: another process holds it: remove it if no other one writes there`);
}

/** The lock, or who holds it. */
function take(path: string): Lock | Holder {
  const mine: Holder = {
    ...self,
    host: hostname(),
    since: new Date().toISOString(),
    token: randomBytes(8).toString('hex'),
  };
  const temporary = temporaryName(dirname(path));
  try {
    writeFileSync(temporary, JSON.stringify(mine), { flag: 'wx' });
    let takenOver = false;
    for (;;) {
      if (places(temporary, path)) {
        remember(path);
        return { takenOver, release: () => release(path, mine) };
      }
      const holder = holderOf(path);
      if (holder && lives(holder)) return holder;
      if (holder) takenOver = removeStale(path, holder) || takenOver;
    }
  } catch (error) {
    throw writeError(path, error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** False where there is a lock already. */
function places(temporary: string, path: string): boolean {
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(code)) throw error;
  }
  // a file system without links
  try {
    writeFileSync(path, readFileSync(temporary), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Null where it has gone meanwhile. Throws InputError for a file that is not a lock. */
function holderOf(path: string): Holder | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const holder = JSON.parse(text) as Holder;
    if (Number.isSafeInteger(holder.pid) && typeof holder.token === 'string') return holder;
  } catch {}
  throw new InputError(`${path}: is not a lock of this program: remove it if nothing writes there`);
}

/** Renames it first: of two that do this at once, one alone gets what it saw; the other gives back what it took. */
function removeStale(path: string, stale: Holder): boolean {
  const aside = temporaryName(dirname(path));
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  const got = holderOf(aside);
  const right = got?.token === stale.token;
  if (!right) places(aside, path);
  rmSync(aside, { force: true });
  return right;
}

function release(path: string, mine: Holder): void {
  forget(path);
  try {
    if (holderOf(path)?.token === mine.token) unlinkSync(path);
  } catch {
    // a folder that has been removed needs no unlocking
  }
}
