/**
 * The file that a download grows in: `<target>.<process>-<n>.part` beside the target, with the server's validator
 * in `….part.etag`. A process writes to a name of its own, so that two that fetch the same weights cannot spoil
 * each other's; what one that is gone left (cut off, killed) is taken over by renaming it, which one alone can do.
 */
import fs from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { runs } from '../disk/temporary.ts';
import { syncFolder } from '../disk/write.ts';

/** Parts that this process is writing. */
const active = new Set<string>();
let serial = 0;

export interface Part {
  readonly path: string;
  /** Bytes that are there. */
  size(): Promise<number>;
  /** The ETag or date under which they were sent; '' if none is known. */
  validator(): Promise<string>;
  setValidator(text: string): Promise<void>;
  remove(): Promise<void>;
  /** Gives the complete part its name. */
  finish(): Promise<void>;
  /** Ends the use of it here; what is there may be taken up later. */
  release(): void;
}

/** A part of `target` for this process alone: what an earlier one left, else a new one. */
export async function openPart(target: string): Promise<Part> {
  const path = `${target}.${process.pid}-${++serial}.part`;
  active.add(path);
  try {
    await takeOver(target, path);
  } catch (error) {
    active.delete(path);
    throw error;
  }
  const note = `${path}.etag`;
  const remove = async () => {
    await fs.rm(path, { force: true });
    await fs.rm(note, { force: true });
  };
  return {
    path,
    size: () => sizeOf(path),
    validator: () => fs.readFile(note, 'utf8').catch(() => ''),
    setValidator: (text) => fs.writeFile(note, text),
    remove,
    async finish() {
      await fs.rename(path, target);
      await syncFolder(dirname(target));
      await fs.rm(note, { force: true });
    },
    release: () => void active.delete(path),
  };
}

const sizeOf = (path: string): Promise<number> =>
  fs.stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Renames the largest part that nobody writes to `path`; removes the others. */
async function takeOver(target: string, path: string): Promise<void> {
  const left = await abandoned(target);
  const sizes = await Promise.all(left.map(sizeOf));
  const order = left.map((_, i) => i).sort((a, b) => sizes[b] - sizes[a]);
  let taken = false;
  for (const old of order.map((i) => left[i])) {
    // the validator first: bytes without one are never taken up, the wrong way round they could be
    const renamed = !taken && (await renames(`${old}.etag`, `${path}.etag`)) && (await renames(old, path));
    if (renamed) taken = true;
    else for (const name of [old, `${old}.etag`]) await fs.rm(name, { force: true });
  }
}

const renames = (from: string, to: string): Promise<boolean> =>
  fs.rename(from, to).then(
    () => true,
    () => false,
  );

async function abandoned(target: string): Promise<string[]> {
  const folder = dirname(target);
  const found: string[] = [];
  for (const name of await fs.readdir(folder)) {
    const rest = name.startsWith(`${basename(target)}.`) ? name.slice(basename(target).length + 1) : '';
    const pid = /^(\d+)-\d+\.part$/.exec(rest)?.[1];
    const path = join(folder, name);
    if (pid !== undefined && !active.has(path) && (Number(pid) === process.pid || !runs(Number(pid))))
      found.push(path);
  }
  return found;
}
