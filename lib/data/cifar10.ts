/**
 * CIFAR-10, binary version: records of 3073 bytes, a label and 32×32 red, then green, then blue values, row by row
 * (www.cs.toronto.edu/~kriz/cifar.html). data_batch_N.bin are the training set, test_batch.bin is the test set.
 */
import { readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, openFile } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { bad, type Source } from '../format/source.ts';
import { cifar10 as usualNames } from '../labels/labels.ts';
import { type Dataset, type Picture, type Split, type SplitName, splitOf } from './dataset.ts';

const SIDE = 32;
const PIXELS = 3 * SIDE * SIDE;
const RECORD = 1 + PIXELS;
/** Records that are read together while labels are gathered. */
const PIECE = 1024;
const TRAIN = /^data_batch_\d+\.bin$/;
const TEST = 'test_batch.bin';

/** Whether a folder's file names are those of the binary version. */
export const isCifar10 = (names: readonly string[]): boolean =>
  names.some((name) => TRAIN.test(name) || name === TEST);

/**
 * A folder (both splits, as far as they are there) or one file (train or test by its name, else 'all').
 * Labels are read at once, pixels when asked for. Throws InputError naming the file: missing, empty,
 * truncated, a label beyond the classes.
 */
export async function openCifar10(path: string): Promise<Dataset> {
  const info = await stat(path).catch((error) => {
    throw new InputError(`${path}: ${describe(error)}`);
  });
  const folder = info.isDirectory() ? path : dirname(path);
  const files = info.isDirectory() ? await batches(path) : [path];
  const classes = classNames(join(folder, 'batches.meta.txt'));
  const open: Source[] = [];
  const close = () => open.splice(0).forEach((source) => void source.close());
  try {
    const splits = new Map<SplitName, Split>();
    for (const [name, members] of groups(files)) {
      const sources = members.map((file) => {
        const source = openFile(file);
        open.push(source);
        return source;
      });
      splits.set(name, split(name, sources, classes.length));
    }
    return { format: 'CIFAR-10', path, classes, splits, size: [SIDE, SIDE], close };
  } catch (error) {
    close();
    throw error;
  }
}

async function batches(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => isCifar10([name])).sort();
  if (names.length > 0) return names.map((name) => join(folder, name));
  throw new InputError(`${folder}: no data_batch_1.bin … or test_batch.bin in this folder`);
}

function groups(files: readonly string[]): Map<SplitName, string[]> {
  const found = new Map<SplitName, string[]>();
  for (const file of files) {
    const name = basename(file);
    const split = TRAIN.test(name) ? 'train' : name === TEST ? 'test' : 'all';
    found.set(split, [...(found.get(split) ?? []), file]);
  }
  return found;
}

/** The names in batches.meta.txt, one per line; CIFAR-10's own where there is no such file. */
function classNames(path: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return usualNames;
    throw new InputError(`${path}: ${describe(error)}`);
  }
  const names = text.split(/\r?\n/).filter((name) => name !== '');
  if (names.length < 1 || names.length > 256 || new Set(names).size < names.length) {
    throw new InputError(`${path}: it must hold 1 to 256 different class names, one per line`);
  }
  return names;
}

function split(name: SplitName, sources: readonly Source[], classes: number): Split {
  const starts = [0];
  for (const source of sources) starts.push(starts[starts.length - 1] + recordCount(source));
  const labels = new Uint8Array(starts[sources.length]);
  for (const [s, source] of sources.entries()) readLabels(source, labels.subarray(starts[s]), classes);
  return splitOf(name, labels, (i) => {
    const s = starts.findLastIndex((start) => start <= i);
    return record(sources[s], i - starts[s]);
  });
}

function recordCount(source: Source): number {
  if (source.size === 0) throw bad(source, 'the file is empty');
  if (source.size % RECORD !== 0) {
    throw bad(
      source,
      `truncated, or not CIFAR-10's binary version: ${source.size} bytes are not a multiple of ${RECORD}`,
    );
  }
  return source.size / RECORD;
}

/** Fills the front of `labels`. Throws InputError at the first that is not a class. */
function readLabels(source: Source, labels: Uint8Array, classes: number): void {
  const records = recordCount(source);
  const bytes = new Uint8Array(Math.min(PIECE, records) * RECORD);
  for (let first = 0; first < records; first += PIECE) {
    const count = Math.min(PIECE, records - first);
    source.readInto(bytes.subarray(0, count * RECORD), first * RECORD);
    for (let i = 0; i < count; i++) {
      const label = bytes[i * RECORD];
      if (label >= classes) {
        throw bad(source, `record ${first + i} has label ${label}, but there are ${classes} classes`);
      }
      labels[first + i] = label;
    }
  }
}

function record(source: Source, i: number): Picture {
  const planes = source.read(i * RECORD + 1, PIXELS);
  return { name: `${source.name}, record ${i}`, planes, channels: 3, height: SIDE, width: SIDE };
}
