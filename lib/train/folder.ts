/** The folder of a run: one run at a time writes there, and nothing in it that is somebody else's is touched. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lock, lockFolder } from '../disk/lock.ts';
import type { Mark } from '../disk/marks.ts';
import { checkTargets, type Guard } from '../disk/target.ts';
import { checkpointIn } from './checkpoint.ts';

export const CLASSES = 'classes.txt';

/** What a run writes. */
const files: Readonly<Record<string, Mark | null>> = {
  'checkpoint.safetensors': 'safetensors',
  'best.safetensors': 'safetensors',
  'weights.safetensors': 'safetensors',
  [CLASSES]: null,
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
    const own = lock.takenOver || checkpointIn(folder) !== null;
    const names = await readFile(join(folder, CLASSES), 'utf8').catch(() => null);
    const targets = Object.entries(files).map(([name, mark]) => ({
      path: join(folder, name),
      mark,
      option: '--out',
      own: own || (name === CLASSES && names === classesText(classes)),
    }));
    await checkTargets(targets, guard);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

export const classesText = (classes: readonly string[]): string => `${classes.join('\n')}\n`;
