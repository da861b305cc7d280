/**
 * HDF5 (.caffemodel.h5, Keras' .h5), through h5wasm, the HDF5 C library in WebAssembly.
 *
 * The library sees no file system but its own empty one, with a single file in it whose reads come here: so
 * the file is read lazily, and links to other files (external links, external storage, virtual datasets)
 * lead nowhere. Datasets are named by their path; Caffe's are data/<layer>/<blob>.
 */

import { isNumeric, viewAs } from '../array/dtype.ts';
import { byteSize, type LazyValue, type NumericValue } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { bad, checkTotal, type Source } from './source.ts';
import { fromLatin1 } from './strings.ts';

const SIGNATURE = '\x89HDF\r\n\x1a\n';

/** True for bytes that start as HDF5 does. */
export const isHdf5 = (start: Uint8Array): boolean => fromLatin1(start.subarray(0, 8)) === SIGNATURE;

const DEEPEST = 8;
const MOST_OBJECTS = 10_000;
/** Bytes that a compressed file may hold beyond four times its own size. */
const ALLOWANCE = 2 ** 24;
/** Bytes fetched at a time through WebAssembly's memory. */
const BLOCK = 2 ** 20;

type Library = Awaited<typeof import('h5wasm')['ready']>;

/** The part of Emscripten's file system that is used; its published types leave out a node's inside. */
interface FileSystem {
  writeFile(path: string, data: Uint8Array): void;
  unlink(path: string): void;
  lookupPath(path: string): { node: { usedBytes: number; stream_ops: object } };
  getStream(fd: number): { tty?: { ops: object } } | null;
}

let serial = 0;

/**
 * The datasets of numbers by path, values unread. The caller closes it, then the source. Throws InputError.
 */
export async function openHdf5(source: Source) {
  const library = await (await import('h5wasm')).ready;
  silence(library);
  const path = `/${++serial}.h5`;
  const unmount = mount(library, path, source);
  let file = 0n;
  const close = () => {
    if (file > 0n) library.close_file(file);
    file = 0n;
    unmount();
  };
  try {
    file = library.open(path, library.H5F_ACC_RDONLY, false, -1, -1);
    if (!(file > 0n)) throw new Error('no HDF5 file');
    const tensors = new Map<string, LazyValue>();
    walk(library, file, source, tensors);
    if (tensors.size === 0) throw bad(source, 'the HDF5 file holds no arrays of numbers');
    return { tensors, close };
  } catch (error) {
    close();
    throw error instanceof InputError ? error : damaged(source, error);
  }
}

/** The library prints its stack of errors to its stderr: here an error is one line, thrown. */
function silence(library: Library): void {
  const stderr = (library.FS as unknown as FileSystem).getStream(2);
  if (stderr?.tty) stderr.tty.ops = { ...stderr.tty.ops, put_char() {}, fsync() {} };
}

const damaged = (source: Source, error: unknown): InputError =>
  bad(source, `damaged HDF5 file (${String((error as Error)?.message ?? error).slice(0, 80)})`);

function mount(library: Library, path: string, source: Source): () => void {
  const fs = library.FS as unknown as FileSystem;
  fs.writeFile(path, new Uint8Array(0));
  const { node } = fs.lookupPath(path);
  node.usedBytes = source.size;
  node.stream_ops = {
    ...node.stream_ops,
    read(_: unknown, buffer: Int8Array, offset: number, length: number, position: number): number {
      const count = Math.max(0, Math.min(length, source.size - position));
      source.readInto(new Uint8Array(buffer.buffer, buffer.byteOffset + offset, count), position);
      return count;
    },
  };
  return () => fs.unlink(path);
}

/**
 * Every dataset below the root; groups are visited once a path and to a depth, since links may form
 * circles.
 */
function walk(library: Library, file: bigint, source: Source, tensors: Map<string, LazyValue>): void {
  const groups: [path: string, depth: number][] = [['/', 0]];
  let total = 0;
  for (let i = 0; i < groups.length; i++) {
    const [group, depth] = groups[i];
    for (const name of library.get_names(file, group, false)) {
      const path = `${group === '/' ? '' : group}/${name}`;
      const type = library.get_type(file, path);
      if (type === library.H5G_GROUP && depth < DEEPEST) groups.push([path, depth + 1]);
      else if (type === library.H5G_DATASET) {
        const array = openDataset(library, file, source, path);
        if (!array) continue;
        tensors.set(path.slice(1), array);
        total += byteSize(array.dtype, array.shape);
        checkTotal(source, total);
      }
      if (groups.length + tensors.size > MOST_OBJECTS) throw bad(source, `more than ${MOST_OBJECTS} objects`);
    }
  }
}

function openDataset(library: Library, file: bigint, source: Source, path: string): LazyValue | null {
  const { type, size: width, shape, signed } = library.get_dataset_metadata(file, path);
  const kind = type === library.H5T_class_t.H5T_FLOAT.value ? 'float' : 'int';
  if (kind === 'int' && type !== library.H5T_class_t.H5T_INTEGER.value) return null;
  const dtype = `${kind === 'int' && !signed ? 'u' : ''}${kind}${8 * width}`;
  if (!isNumeric(dtype) || dtype === 'float16' || shape === null) return null;
  const size = byteSize(dtype, shape);
  if (!(size <= 4 * source.size + ALLOWANCE)) {
    const lack = `needs ${size} bytes, the file has ${source.size}`;
    throw bad(source, `dataset '${path.slice(1)}': shape [${shape}] ${lack}`);
  }
  const read = (): NumericValue => {
    const bytes = new Uint8Array(size);
    try {
      fetchRows(library, file, path, shape, bytes);
    } catch (error) {
      throw damaged(source, error);
    }
    return { dtype, shape, data: viewAs(dtype, bytes) };
  };
  return { dtype, shape, read };
}

/** Copies the dataset, a block of rows at a time, through WebAssembly's memory: the library makes it little-endian. */
function fetchRows(
  library: Library,
  file: bigint,
  path: string,
  shape: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
): void {
  if (bytes.length === 0) return;
  const rows = shape[0] ?? 1;
  const rowBytes = bytes.length / rows;
  const step = Math.max(1, Math.floor(BLOCK / rowBytes));
  const pointer = library._malloc(step * rowBytes);
  try {
    for (let row = 0; row < rows; row += step) {
      const count = Math.min(step, rows - row);
      const counts = shape.map((extent, axis) => BigInt(axis === 0 ? count : extent));
      const offsets = shape.map((_, axis) => BigInt(axis === 0 ? row : 0));
      const strides = shape.map(() => 1n);
      const status = library.get_dataset_data(file, path, counts, offsets, strides, BigInt(pointer));
      if (status < 0) throw new Error('unreadable values');
      bytes.set(library.HEAPU8.subarray(pointer, pointer + count * rowBytes), row * rowBytes);
    }
  } finally {
    library._free(pointer);
  }
}
