/**
 * Pictures from the disk, ready for a network: files and folders in, one tensor per picture out. A file that cannot
 * be used becomes a failure of one line; the others go on.
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../../reference/input/preprocess.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { describe } from '../disk/source.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { MAX_FILE_BYTES, sniff } from './admit.ts';
import { type DecodeOptions, decodeImage } from './decode.ts';

/** Folders are searched this deep. */
const MAX_DEPTH = 8;
/** What sharp may read beyond JPEG and PNG is taken from a folder by its name. */
export const PICTURE_NAME = /\.(jpe?g|jfif|png)$/i;

interface LoadedPicture {
  readonly path: string;
  readonly tensor: Tensor;
}

interface PictureFailure {
  readonly path: string;
  /** One line that starts with the path. */
  readonly message: string;
}

/** Where a file is: bytes where its name is not UTF-8, which a string would lose. */
export type Path = string | Buffer;

/** A path for messages: bytes that are not UTF-8 become U+FFFD. */
const shown = (path: Path): string => (typeof path === 'string' ? path : path.toString('utf8'));

/**
 * Bytes of a regular file. Rejects with InputError for a folder, a pipe or a device, and for a file that is missing
 * or larger than `limit` bytes; none of these is opened for reading.
 */
export async function readPicture(path: Path, limit = MAX_FILE_BYTES): Promise<Uint8Array> {
  const name = shown(path);
  const info = await attempt(path, () => stat(path));
  if (info.isDirectory()) throw new InputError(`${name}: is a folder, not a picture`);
  if (!info.isFile()) throw new InputError(`${name}: is not a regular file`);
  if (info.size > limit) {
    throw new InputError(
      `${name}: ${(info.size / 2 ** 20).toFixed(1)} MiB are too large for a picture (at most ${limit / 2 ** 20})`,
    );
  }
  return attempt(path, () => withFile(path, (file) => readHead(file, info.size)));
}

async function withFile<T>(path: Path, use: (file: FileHandle) => Promise<T>): Promise<T> {
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

async function attempt<T>(path: Path, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof InputError) throw error;
    const name = shown(path);
    const lost = typeof path === 'string' && path.includes('\uFFFD') && describe(error) === 'no such file';
    const why = lost ? 'its name is not UTF-8 and cannot be given as an argument: give its folder' : '';
    throw new InputError(`${name}: ${why || describe(error)}`);
  }
}

/**
 * The pictures that a path stands for: the file itself, or those in a folder and the folders in it, sorted by
 * name. In a folder those files count that are called like a picture or begin like one, but for hidden
 * files and anything but regular ones. Rejects with InputError if the path is missing or the folder has no picture.
 */
async function findPictures(path: string): Promise<Path[]> {
  const info = await attempt(path, () => stat(path));
  if (!info.isDirectory()) return [path];
  const found = await search(path, MAX_DEPTH);
  if (found.length === 0) throw new InputError(`${path}: no JPEG or PNG in this folder`);
  return found;
}

/** The same for who keeps names as text. Rejects with InputError if a name is not UTF-8. */
export async function picturesOf(path: string): Promise<string[]> {
  return (await findPictures(path)).map((found) => {
    if (typeof found === 'string') return found;
    throw new InputError(`${shown(found)}: its name is not UTF-8: rename it`);
  });
}

async function search(folder: Path, depth: number): Promise<Path[]> {
  const entries = await attempt(folder, () => readdir(folder, { withFileTypes: true, encoding: 'buffer' }));
  const byName = entries.map((entry) => ({ entry, name: entry.name.toString('utf8') }));
  const found: Path[] = [];
  for (const { entry, name } of byName.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = within(folder, entry.name);
    if (name.startsWith('.')) continue;
    if (entry.isDirectory() && depth > 1) found.push(...(await search(path, depth - 1)));
    else if (await isPicture(path, entry.isFile(), entry.isSymbolicLink())) found.push(path);
  }
  return found;
}

/** The path of an entry, as text where it survives that. */
function within(folder: Path, name: Buffer): Path {
  const text = name.toString('utf8');
  if (typeof folder === 'string' && Buffer.from(text).equals(name)) return join(folder, text);
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), name]);
}

async function isPicture(path: Path, file: boolean, link: boolean): Promise<boolean> {
  if (!file && !(link && (await stat(path).catch(() => undefined))?.isFile())) return false;
  if (PICTURE_NAME.test(shown(path))) return true;
  const head = await withFile(path, (opened) => readHead(opened, 8)).catch(() => new Uint8Array());
  return sniff(head) !== undefined;
}

interface FoundPicture {
  /** For messages. */
  readonly path: string;
  readonly file: Path;
}

/** Where the pictures of the paths are, in order; a path that stands for none is a failure in its place. */
export async function* eachPicture(
  paths: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<FoundPicture | PictureFailure> {
  for await (const path of paths) {
    try {
      for (const file of await findPictures(path)) yield { path: shown(file), file };
    } catch (error) {
      yield failure(path, error);
    }
  }
}

async function loadImage(
  { path, file }: FoundPicture,
  make: (image: Image) => Tensor,
  options: DecodeOptions,
): Promise<LoadedPicture | PictureFailure> {
  try {
    const image = await decodeImage(await readPicture(file), path, options);
    return { path, tensor: make(image) };
  } catch (error) {
    return failure(path, error);
  }
}

function failure(path: string, error: unknown): PictureFailure {
  if (error instanceof EnvironmentError) throw error;
  const { message } = error as Error;
  return { path, message: error instanceof InputError ? message : `${path}: ${message}` };
}

/**
 * All pictures of the paths, files and folders, decoded, and what is made of them. Rejects with EnvironmentError if
 * the decoder is missing; everything else that goes wrong is a failure.
 */
export async function loadImages(
  paths: Iterable<string>,
  make: (image: Image) => Tensor,
  options: DecodeOptions = {},
): Promise<{ readonly images: readonly LoadedPicture[]; readonly failures: readonly PictureFailure[] }> {
  const images: LoadedPicture[] = [];
  const failures: PictureFailure[] = [];
  for await (const found of eachPicture(paths)) {
    const result = 'file' in found ? await loadImage(found, make, options) : found;
    if ('tensor' in result) images.push(result);
    else failures.push(result);
  }
  return { images, failures };
}
