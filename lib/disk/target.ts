/**
 * What may be written where. A link means what it leads to. A file that this program did not write is kept unless the
 * user forces it; a file that the run reads is kept always; one file is not written twice.
 */
import { type BigIntStats, constants } from 'node:fs';
import { access, mkdir, readlink, realpath, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { writeError } from './errno.ts';
import { hasMark, type Mark } from './marks.ts';

export interface Target {
  readonly path: string;
  /** How an earlier file of this program is recognised; null where the format has no room for a mark. */
  readonly mark: Mark | null;
  /** The option that names it, for messages. */
  readonly option?: string;
  /** Known to be this program's own, mark or not. */
  readonly own?: boolean;
}

export interface Guard {
  /** What the run reads: never overwritten. A function is asked only where a file would be replaced. */
  readonly inputs?: readonly string[] | (() => Promise<readonly string[]>);
  /** Overwrite what this program did not write. */
  readonly force?: boolean;
}

/** What a path leads to, links followed. */
export type Place =
  /** An open descriptor of this process, /dev/stdout for one: written through as it is. */
  | { readonly kind: 'descriptor'; readonly fd: number }
  /** A pipe or a device: nothing can take its name. */
  | { readonly kind: 'stream'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly stat: BigIntStats }
  | { readonly kind: 'new'; readonly path: string };

/**
 * Checks before the work what can be checked. Throws InputError for a folder, a folder that does not exist, one file
 * for two targets, a file that the run reads, and one that this program did not write.
 */
export async function checkTargets(targets: readonly Target[], guard: Guard = {}): Promise<void> {
  await admitAll(targets, guard);
}

/** The places of all targets, each of which may be written. */
export async function admitAll(targets: readonly Target[], guard: Guard): Promise<Place[]> {
  const taken = new Map<string, Target>();
  const places: Place[] = [];
  for (const target of targets) {
    const place = await placeOf(target.path);
    await admit(target, place, guard);
    places.push(place);
    if (place.kind !== 'file' && place.kind !== 'new') continue;
    const key = place.kind === 'file' ? identity(place.stat) : place.path;
    const other = taken.get(key);
    if (other)
      throw new InputError(`${target.path}: ${nameOf(other)} and ${nameOf(target)} cannot share a file`);
    taken.set(key, target);
  }
  return places;
}

const nameOf = ({ option, path }: Target): string => option ?? path;

/** Device and number of a file: the same under every name and link. */
const identity = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

/** Throws InputError where this file must be kept. */
export async function admit(target: Target, place: Place, guard: Guard): Promise<void> {
  if (place.kind !== 'file') return;
  const { path, option } = target;
  const inputs = typeof guard.inputs === 'function' ? await guard.inputs() : (guard.inputs ?? []);
  for (const input of inputs) {
    const found = await stat(input, { bigint: true }).catch(() => null);
    if (found && identity(found) === identity(place.stat))
      throw new InputError(`${path}: ${option ?? 'the output'} would overwrite an input: name another file`);
  }
  // an empty file holds nothing to lose
  if (guard.force || target.own || place.stat.size === 0n) return;
  if (target.mark !== null && (await marked(path, place.path, target.mark))) return;
  throw new InputError(
    `${path}: exists, and nothing in it shows that this program wrote it${option ? ` as ${option}` : ''}: ` +
      'name another file, or overwrite it with --force',
  );
}

const marked = (path: string, real: string, mark: Mark): Promise<boolean> =>
  hasMark(real, mark).catch((error) => {
    throw writeError(path, error);
  });

/** Where a path leads. Throws InputError where nothing can be written there. */
export async function placeOf(path: string): Promise<Place> {
  try {
    const real = await follow(path);
    if (typeof real === 'number') return { kind: 'descriptor', fd: real };
    const found = await stat(real, { bigint: true }).catch(absent);
    if (found?.isDirectory() || path.endsWith('/'))
      throw new InputError(`${path}: is a folder; give the name of a file`);
    await access(found ? real : dirname(real), constants.W_OK);
    if (!found) return { kind: 'new', path: real };
    if (!found.isFile()) return { kind: 'stream', path: real };
    await access(dirname(real), constants.W_OK);
    return { kind: 'file', path: real, stat: found };
  } catch (error) {
    throw writeError(path, error);
  }
}

/** null where nothing is there. */
function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

const MOST_LINKS = 40;
/** What /dev/stdout and its like lead to. */
const DESCRIPTOR = /^\/(?:dev|proc\/(?:self|(\d+)))\/fd\/(\d+)$/;

/** The path behind all links, also where nothing is there yet; or the number of a descriptor of this process. */
async function follow(path: string): Promise<string | number> {
  let at = resolve(path);
  for (let links = 0; links < MOST_LINKS; links++) {
    at = join(await realpath(dirname(at)), basename(at));
    const [, pid, fd] = DESCRIPTOR.exec(at) ?? [];
    if (fd !== undefined && (pid === undefined || Number(pid) === process.pid)) return Number(fd);
    const link = await readlink(at).catch(() => null);
    if (link === null) return at;
    at = resolve(dirname(at), link);
  }
  throw Object.assign(new Error('too many links'), { code: 'ELOOP' });
}

/** Whether what is written there comes out with the program's own words. */
export async function isStandardOutput(path: string): Promise<boolean> {
  const place = await placeOf(path).catch(() => null);
  return place?.kind === 'descriptor' && place.fd === 1;
}

/**
 * Makes a folder and those around it, if need be. The function that is returned removes those that were made and
 * are still empty. Throws InputError where a file is in the way or it cannot be made.
 */
export async function makeFolder(path: string): Promise<() => Promise<void>> {
  const made: string[] = [];
  const removeEmpty = async (): Promise<void> => {
    for (const folder of made.toReversed()) await rmdir(folder).catch(() => {});
  };
  try {
    // one by one: Node's own recursive mkdir never returns for a folder in /proc
    for (const folder of await missing(resolve(path))) if (await makeOne(folder)) made.push(folder);
    return removeEmpty;
  } catch (error) {
    await removeEmpty();
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new InputError(`${path}: cannot be written: no folder can be made there`);
    throw writeError(path, error);
  }
}

/** Throws InputError where makeFolder would, as far as that can be told without making anything. */
export async function checkFolder(path: string): Promise<void> {
  try {
    const [first] = await missing(resolve(path));
    await access(first === undefined ? path : dirname(first), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw writeError(path, error);
  }
}

/** False where another process was faster. */
async function makeOne(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    const faster = (error as NodeJS.ErrnoException).code === 'EEXIST' && (await stat(folder)).isDirectory();
    if (!faster) throw error;
    return false;
  }
}

/** The folders that are not there yet, the outermost first. */
async function missing(path: string): Promise<string[]> {
  const found = await stat(path).catch(absent);
  if (found?.isDirectory()) return [];
  if (found) throw new InputError(`${path}: cannot be written: it is not a folder`);
  return [...(await missing(dirname(path))), path];
}
