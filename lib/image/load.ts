/**
 * Pictures from the disk, ready for a network: files and folders in, one tensor a picture out. A file that cannot be
 * used becomes a failure of one line; the others go on.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Preprocess, type PreprocessOptions, preprocess } from '../../reference/input/preprocess.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { describe } from '../disk/source.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { type DecodeOptions, decodeImage } from './decode.ts';
import { MAX_FILE_BYTES } from './limits.ts';
import { sniff } from './sniff.ts';

/** Folders are searched this deep. */
const MAX_DEPTH = 8;
/** What sharp may read beyond JPEG and PNG is taken from a folder by its name. */
const PICTURE_NAME = /\.(jpe?g|jfif|png)$/i;

export interface LoadOptions extends DecodeOptions, PreprocessOptions {}

export interface Loaded {
  readonly path: string;
  /** (views,3,H,W), float32. */
  readonly tensor: Tensor;
}

export interface Failure {
  readonly path: string;
  /** One line that starts with the path. */
  readonly message: string;
}

/**
 * Bytes of a regular file. Rejects with InputError for what is none (folder, pipe, device), is missing or
 * larger than `limit` bytes; neither is opened for reading.
 */
export async function readPicture(path: string, limit = MAX_FILE_BYTES): Promise<Uint8Array> {
  const info = await attempt(path, () => stat(path));
  if (info.isDirectory()) throw new InputError(`${path}: is a folder, not a picture`);
  if (!info.isFile()) throw new InputError(`${path}: is no regular file`);
  if (info.size > limit) {
    throw new InputError(
      `${path}: ${(info.size / 2 ** 20).toFixed(1)} MiB are too large for a picture (at most ${limit / 2 ** 20})`,
    );
  }
  return attempt(path, () => withFile(path, (file) => readHead(file, info.size)));
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The first `size` bytes, or fewer if there are fewer. */
async function readHead(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await file.read(bytes, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

async function attempt<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof InputError ? error : new InputError(`${path}: ${describe(error)}`);
  }
}

/**
 * The pictures that a path stands for: the file itself, or those in a folder and the folders in it, sorted by
 * name. In a folder a file counts that is called like a picture or begins like one; hidden files and what is
 * no regular file do not. Rejects with InputError if the path is missing or the folder has no picture.
 */
export async function picturesOf(path: string): Promise<string[]> {
  const info = await attempt(path, () => stat(path));
  if (!info.isDirectory()) return [path];
  const found = await search(path, MAX_DEPTH);
  if (found.length === 0) throw new InputError(`${path}: no JPEG or PNG in this folder`);
  return found;
}

async function search(folder: string, depth: number): Promise<string[]> {
  const entries = await attempt(folder, () => readdir(folder, { withFileTypes: true }));
  const found: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory() && depth > 1) found.push(...(await search(path, depth - 1)));
    else if (await isPicture(path, entry.isFile(), entry.isSymbolicLink())) found.push(path);
  }
  return found;
}

async function isPicture(path: string, file: boolean, link: boolean): Promise<boolean> {
  if (!file && !(link && (await stat(path).catch(() => undefined))?.isFile())) return false;
  if (PICTURE_NAME.test(path)) return true;
  const head = await withFile(path, (opened) => readHead(opened, 8)).catch(() => new Uint8Array());
  return sniff(head) !== undefined;
}

/**
 * Every picture of the paths (or a picture's own bytes), decoded and preprocessed, one at a time, in order. Throws
 * EnvironmentError at once if the
 * decoder is missing; everything else that goes wrong is yielded as a failure.
 */
export async function* eachImage(
  paths: Iterable<string | Uint8Array>,
  spec: Preprocess,
  options: LoadOptions = {},
): AsyncGenerator<Loaded | Failure> {
  for (const path of paths) {
    if (typeof path !== 'string') {
      yield await loadImage('the picture', spec, options, path);
      continue;
    }
    let pictures: string[];
    try {
      pictures = await picturesOf(path);
    } catch (error) {
      yield failure(path, error);
      continue;
    }
    for (const picture of pictures) yield await loadImage(picture, spec, options);
  }
}

async function loadImage(
  path: string,
  spec: Preprocess,
  options: LoadOptions,
  bytes?: Uint8Array,
): Promise<Loaded | Failure> {
  try {
    const image = await decodeImage(bytes ?? (await readPicture(path)), path, options);
    return { path, tensor: preprocess(image, spec, options) };
  } catch (error) {
    return failure(path, error);
  }
}

function failure(path: string, error: unknown): Failure {
  if (error instanceof EnvironmentError) throw error;
  const { message } = error as Error;
  return { path, message: error instanceof InputError ? message : `${path}: ${message}` };
}

/** All pictures of the paths: files, and folders with the pictures in them. See `eachImage`. */
export async function loadImages(
  paths: Iterable<string>,
  spec: Preprocess,
  options: LoadOptions = {},
): Promise<{ readonly images: readonly Loaded[]; readonly failures: readonly Failure[] }> {
  const images: Loaded[] = [];
  const failures: Failure[] = [];
  for await (const result of eachImage(paths, spec, options)) {
    if ('tensor' in result) images.push(result);
    else failures.push(result);
  }
  return { images, failures };
}
