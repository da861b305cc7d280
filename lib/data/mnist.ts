/**
 * MNIST, and whatever has its form (Fashion-MNIST, KMNIST): images in an IDX file of three axes, labels in
 * one of one axis. Grey pictures become three equal channels.
 *
 * IDX (yann.lecun.com/exdb/mnist): two zero bytes, the type (8: unsigned bytes), the number of axes, their extents as
 * big-endian 32-bit integers, then the values. Plain or compressed by gzip.
 */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip, type ZlibOptions } from 'node:zlib';
import { sizeOf } from '../../reference/tensor.ts';
import { describe, openFile } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { bad, fromBytes, type Source, section } from '../format/source.ts';
import { checkSize } from '../image/admit.ts';
import { type Dataset, type Split, type SplitName, splitOf } from './dataset.ts';

const CLASSES = 10;
const IMAGES = /^(.*?)(train|t10k|test)-images([.-]idx3-ubyte)(\.gz)?$/;

/** Whether one of a folder's file names is that of MNIST's images. */
export const isMnist = (names: readonly string[]): boolean => names.some((name) => IMAGES.test(name));

/**
 * A folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-…, plain or .gz, or one file of images with
 * its labels beside it. Rejects with InputError naming the file: labels missing, another count of them than of
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

const UNSIGNED_BYTES = 8;
/** A compressed file is unpacked in memory; larger ones are refused. */
const MAX_UNPACKED = 2 ** 30;
/** Deflate packs at most 1032 bytes into one. */
const MAX_RATIO = 1032;

interface Idx {
  readonly shape: readonly number[];
  /** The values alone, row-major; to be closed. */
  readonly values: Source;
}

/**
 * Opens a file of `axes` axes. Rejects with InputError naming it: no IDX, another type, truncated, bytes left
 * over.
 */
async function openIdx(path: string, axes: number): Promise<Idx> {
  const file = openFile(path);
  try {
    const source = isGzip(file) ? await unpack(file, axes) : file;
    const header = 4 + 4 * axes;
    const shape = readShape(source.read(0, Math.min(header, source.size)), axes, file);
    const expected = header + sizeOf(shape);
    if (source.size !== expected) {
      const what = source.size < expected ? 'truncated' : 'longer than it says';
      throw bad(file, `${what}: [${shape}] values need ${expected} bytes, there are ${source.size}`);
    }
    return { shape, values: { ...section(source, header, sizeOf(shape)), close: () => file.close() } };
  } catch (error) {
    file.close();
    throw error;
  }
}

function isGzip(file: Source): boolean {
  const head = file.read(0, Math.min(2, file.size));
  return head[0] === 0x1f && head[1] === 0x8b;
}

function readShape(head: Uint8Array, axes: number, file: Source): number[] {
  if (head.length < 4 + 4 * axes || head[0] !== 0 || head[1] !== 0) throw bad(file, 'not an IDX file');
  if (head[2] !== UNSIGNED_BYTES || head[3] !== axes) {
    throw bad(
      file,
      `an IDX file of type ${head[2]} with ${head[3]} axes: ${UNSIGNED_BYTES} and ${axes} were expected`,
    );
  }
  const view = new DataView(head.buffer, head.byteOffset);
  return Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
}

/**
 * The whole content. What the header promises is checked against the file's size before anything is allocated
 * for it.
 */
async function unpack(file: Source, axes: number): Promise<Source> {
  if (file.size > MAX_UNPACKED) throw bad(file, 'too large to be unpacked: unpack it first (gunzip)');
  const packed = file.read(0, file.size);
  const header = 4 + 4 * axes;
  const start = await inflate(file, packed.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
  const expected = header + sizeOf(readShape(start.subarray(0, header), axes, file));
  if (expected > MAX_UNPACKED) throw bad(file, 'too large to be unpacked: unpack it first (gunzip)');
  if (expected > MAX_RATIO * file.size) throw bad(file, `truncated: ${expected} bytes cannot be in it`);
  const bytes = await inflate(file, packed, { maxOutputLength: expected });
  return fromBytes(bytes, file.name);
}

async function inflate(file: Source, bytes: Uint8Array, options: ZlibOptions): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw bad(file, 'longer than it says');
    throw bad(file, code === 'Z_BUF_ERROR' ? 'truncated' : `damaged: ${message}`);
  }
}
