/**
 * MNIST, and whatever has its form (Fashion-MNIST, KMNIST): images in an IDX file of three axes, labels in
 * one of one axis. Grey pictures become three equal channels.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { checkSize } from '../image/limits.ts';
import { type Dataset, type Split, type SplitName, splitOf } from './dataset.ts';
import { type Idx, openIdx } from './idx.ts';

const CLASSES = 10;
const IMAGES = /^(.*?)(train|t10k|test)-images([.-]idx3-ubyte)(\.gz)?$/;

/** Whether one of a folder's file names is that of MNIST's images. */
export const isMnist = (names: readonly string[]): boolean => names.some((name) => IMAGES.test(name));

/**
 * A folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, plain or .gz, or one file of images with its
 * labels beside it. Rejects with InputError naming the file: labels missing, another count of them than of
 * images, a label over 9, and what `openIdx` refuses.
 */
export async function openMnist(path: string): Promise<Dataset> {
  const info = await stat(path).catch((error) => {
    throw new InputError(`${path}: ${describe(error)}`);
  });
  const folder = info.isDirectory() ? path : dirname(path);
  const names = info.isDirectory() ? (await readdir(path)).sort() : [basename(path)];
  const open: Idx[] = [];
  const close = () => open.splice(0).forEach(({ values }) => void values.close());
  try {
    const splits = new Map<SplitName, Split>();
    for (const name of names.filter((file) => isMnist([file]))) {
      const split: SplitName = IMAGES.exec(name)?.[2] === 'train' ? 'train' : 'test';
      if (splits.has(split)) continue; // the plain file of the same name
      const images = await openIdx(join(folder, name), 3);
      open.push(images);
      splits.set(split, await readSplit(split, images, labelFile(folder, name)));
    }
    if (splits.size === 0)
      throw new InputError(`${path}: no train-images-idx3-ubyte or t10k-images-idx3-ubyte`);
    return { format: 'MNIST', path, classes: digits, splits, size: commonSize(path, open), close };
  } catch (error) {
    close();
    throw error;
  }
}

const digits: readonly string[] = Array.from({ length: CLASSES }, (_, digit) => String(digit));

/** The labels beside a file of images, packed or not. */
function labelFile(folder: string, images: string): string {
  const [, prefix, part, kind] = IMAGES.exec(images)!;
  const name = `${prefix}${part}-labels${kind.replace('3', '1')}`;
  const found = [name, `${name}.gz`].find((file) => existsSync(join(folder, file)));
  if (found) return join(folder, found);
  throw new InputError(`${join(folder, images)}: there is no ${name} beside it`);
}

async function readSplit(name: SplitName, { shape, values }: Idx, path: string): Promise<Split> {
  const [count, height, width] = shape;
  checkSize(width, height, values.name);
  if (count === 0) throw new InputError(`${values.name}: there are no pictures in it`);
  const labels = await readLabels(path, count);
  return splitOf(name, labels, (i) => ({
    name: `${values.name}, picture ${i}`,
    planes: values.read(i * height * width, height * width),
    channels: 1,
    height,
    width,
  }));
}

async function readLabels(path: string, count: number): Promise<Uint8Array> {
  const { shape, values } = await openIdx(path, 1);
  try {
    if (shape[0] !== count) throw new InputError(`${path}: ${shape[0]} labels for ${count} pictures`);
    const labels = values.read(0, count);
    const wrong = labels.findIndex((label) => label >= CLASSES);
    if (wrong < 0) return labels;
    throw new InputError(`${path}: label ${wrong} is ${labels[wrong]}, but there are ${CLASSES} classes`);
  } finally {
    values.close();
  }
}

function commonSize(path: string, files: readonly Idx[]): readonly [number, number] {
  const [[, height, width], ...others] = files.map(({ shape }) => shape);
  if (others.every((shape) => shape[1] === height && shape[2] === width)) return [width, height];
  throw new InputError(`${path}: training and test pictures have different sizes`);
}
