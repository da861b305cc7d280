/**
 * IDX, the format of MNIST (yann.lecun.com/exdb/mnist): two zero bytes, the type (8: unsigned bytes), the
 * number of axes, their extents as big-endian 32-bit integers, then the values. Plain or compressed by gzip.
 */
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { openFile } from '../disk/source.ts';
import { bad, fromBytes, type Source, section } from '../format/source.ts';

const UNSIGNED_BYTES = 8;
/** A compressed file is unpacked in memory; larger ones are refused. */
const MAX_UNPACKED = 2 ** 30;
/** Deflate packs at most 1032 bytes into one. */
const MAX_RATIO = 1032;

export interface Idx {
  readonly shape: readonly number[];
  /** The values alone, row-major; to be closed. */
  readonly values: Source;
}

/**
 * Opens a file of `axes` axes. Rejects with InputError naming it: no IDX, another type, truncated, bytes left
 * over.
 */
export async function openIdx(path: string, axes: number): Promise<Idx> {
  const file = openFile(path);
  try {
    const source = isGzip(file) ? await unpack(file, axes) : file;
    const header = 4 + 4 * axes;
    const shape = readShape(source.read(0, Math.min(header, source.size)), axes, file);
    const expected = header + size(shape);
    if (source.size !== expected) {
      const what = source.size < expected ? 'truncated' : 'longer than it says';
      throw bad(file, `${what}: [${shape}] values need ${expected} bytes, there are ${source.size}`);
    }
    return { shape, values: { ...section(source, header, size(shape)), close: () => file.close() } };
  } catch (error) {
    file.close();
    throw error;
  }
}

const size = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

function isGzip(file: Source): boolean {
  const head = file.read(0, Math.min(2, file.size));
  return head[0] === 0x1f && head[1] === 0x8b;
}

function readShape(head: Uint8Array, axes: number, file: Source): number[] {
  if (head.length < 4 + 4 * axes || head[0] !== 0 || head[1] !== 0) throw bad(file, 'no IDX file');
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
  const expected = header + size(readShape(start.subarray(0, header), axes, file));
  if (expected > MAX_UNPACKED) throw bad(file, 'too large to be unpacked: unpack it first (gunzip)');
  if (expected > MAX_RATIO * file.size) throw bad(file, `truncated: ${expected} bytes cannot be in it`);
  const bytes = await inflate(file, packed, { maxOutputLength: expected });
  return fromBytes(bytes, file.name);
}

interface InflateOptions {
  readonly finishFlush?: number;
  readonly maxOutputLength?: number;
}

async function inflate(file: Source, bytes: Uint8Array, options: InflateOptions): Promise<Uint8Array> {
  try {
    return await promisify(gunzip)(bytes, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw bad(file, 'longer than it says');
    throw bad(file, code === 'Z_BUF_ERROR' ? 'truncated' : `damaged: ${message}`);
  }
}
