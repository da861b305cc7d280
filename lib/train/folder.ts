/**
 * The folder of a run: one run at a time writes there, and nothing in it that is somebody else's is touched. Its
 * logs: log.jsonl, a line for each step (appended) and each epoch; log.csv, a row for each epoch; curve.svg and
 * curve.html. All but the first are written anew after each epoch, at once, so that a reader never sees half of one.
 */
import { existsSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeError } from '../disk/errno.ts';
import { type Lock, lockFolder, lookAtLock } from '../disk/lock.ts';
import type { Mark } from '../disk/marks.ts';
import { checkFolder, checkTargets, type Guard } from '../disk/target.ts';
import { curvePage, curveSvg } from '../report/plots/curve.ts';
import { checkpointIn, type EpochRecord, writeOwn } from './checkpoint.ts';

export const CLASS_FILE = 'classes.txt';

/** What a run writes. */
const files: Readonly<Record<string, Mark | null>> = {
  'checkpoint.safetensors': 'safetensors',
  'best.safetensors': 'safetensors',
  'weights.safetensors': 'safetensors',
  [CLASS_FILE]: null,
  'log.jsonl': null,
  'log.csv': null,
  'curve.svg': 'svg',
  'curve.html': 'html',
};

/**
 * Locks the folder until `release`. A folder with a checkpoint, or with the lock of a run that was killed, is a run's
 * own; in any other, files of those names are somebody else's. Rejects with InputError where another run writes there
 * or something must be kept.
 */
export async function claimFolder(folder: string, classes: readonly string[], guard: Guard): Promise<Lock> {
  const lock = lockFolder(folder);
  try {
    await checkFiles(folder, lock.takenOver, classes, guard);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Rejects as claimFolder does, and as makeFolder, without writing anything. */
export async function lookAtFolder(folder: string, classes: readonly string[], guard: Guard): Promise<void> {
  await checkFolder(folder);
  if (existsSync(folder)) await checkFiles(folder, lookAtLock(folder), classes, guard);
}

async function checkFiles(
  folder: string,
  killed: boolean,
  classes: readonly string[],
  guard: Guard,
): Promise<void> {
  const own = killed || checkpointIn(folder) !== null;
  const names = await readFile(join(folder, CLASS_FILE), 'utf8').catch(() => null);
  const targets = Object.entries(files).map(([name, mark]) => ({
    path: join(folder, name),
    mark,
    option: '--out',
    own: own || (name === CLASS_FILE && names === classesText(classes)),
  }));
  await checkTargets(targets, guard);
}

export const classesText = (classes: readonly string[]): string => `${classes.join('\n')}\n`;

/** log.jsonl, from `bytes` on: what follows belongs to steps that are done again. */
export async function openLog(folder: string, bytes: number) {
  const path = join(folder, 'log.jsonl');
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw writeError(path, error);
    }
  };
  const handle: FileHandle = await guarded(async () => {
    const opened = await open(path, bytes === 0 ? 'w' : 'r+');
    await opened.truncate(bytes);
    return opened;
  });
  let at = bytes;
  let pending = '';
  return {
    /** Kept in memory until `flush`. */
    add(line: object): void {
      pending += `${JSON.stringify(line)}\n`;
    },
    /** Returns the file's length. */
    async flush(): Promise<number> {
      const chunk = Buffer.from(pending);
      pending = '';
      return guarded(async () => {
        for (let done = 0; done < chunk.length; )
          done += (await handle.write(chunk, done, undefined, at + done)).bytesWritten;
        at += chunk.length;
        return at;
      });
    },
    sync: () => guarded(() => handle.sync()),
    close: () => handle.close(),
  };
}

export type Log = Awaited<ReturnType<typeof openLog>>;

const COLUMNS =
  'epoch,learning rate,loss,top-1 error,top-5 error,validation loss,validation top-1 error,validation top-5 error,seconds';

export function csvOf(history: readonly EpochRecord[]): string {
  const rows = history.map(({ epoch, learningRate, loss, error1, error5, validation, seconds }) => {
    const { loss: held = '', error1: held1 = '', error5: held5 = '' } = validation ?? {};
    return [epoch, learningRate, loss, error1, error5, held, held1, held5, seconds.toFixed(2)].join();
  });
  return `${[COLUMNS, ...rows].join('\n')}\n`;
}

/** Writes log.csv, curve.svg and curve.html. `running`: the page loads itself anew every few seconds. */
export async function writeCurves(
  folder: string,
  title: string,
  history: readonly EpochRecord[],
  running: boolean,
): Promise<void> {
  const write = (name: string, text: string) => writeOwn(join(folder, name), text);
  await write('log.csv', csvOf(history));
  const svg = await curveSvg(title, history);
  await write('curve.svg', svg);
  await write('curve.html', curvePage(title, svg, history, running));
}
