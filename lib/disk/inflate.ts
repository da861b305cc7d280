/**
 * Node's zlib unpacks deflated members of archives to the size that they claim, not a byte more. Errors name the
 * source, which is the packed bytes.
 */
import { constants, crc32, createInflateRaw, type InflateRaw, inflateRawSync } from 'node:zlib';
import type { Source, Unpacker } from '../format/source.ts';
import { wrongSize } from '../format/unpack.ts';

/** All of it, at once. Throws InputError where it is damaged or of another size. */
function inflate(packed: Source, size: number): Uint8Array<ArrayBuffer> {
  let bytes: Buffer;
  try {
    // one chunk of the right size: nothing is joined afterwards
    const options = { maxOutputLength: Math.max(size, 1), chunkSize: Math.max(size + 64, 4096) };
    bytes = inflateRawSync(packed.read(0, packed.size), options);
  } catch {
    throw wrongSize(packed, size);
  }
  if (bytes.length !== size) throw wrongSize(packed, size);
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

/** At most the first `length` bytes. Throws InputError where they are damaged. */
function inflateHead(packed: Source, length: number): Uint8Array<ArrayBuffer> {
  try {
    const start = packed.read(0, Math.min(packed.size, length + 64));
    const bytes = inflateRawSync(start, {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: 2 ** 20 * 16,
    });
    return new Uint8Array(bytes.subarray(0, length));
  } catch {
    throw packed.bad('does not unpack');
  }
}

/** Packed and unpacked bytes that are handled at a time. */
const PIECE = 2 ** 20;

/**
 * All of it, piece by piece on zlib's own threads, into memory of the size claimed: the packed bytes are never
 * held whole. Throws InputError where it is damaged or of another size.
 */
async function inflateBeside(packed: Source, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  const stream = createInflateRaw({ chunkSize: Math.min(PIECE, Math.max(size, 64)) });
  let done = 0;
  stream.on('data', (piece: Buffer) => {
    if (done + piece.length > size) return void stream.destroy(new Error('more than it claims'));
    bytes.set(piece, done);
    done += piece.length;
  });
  const ended = new Promise<void>((resolve, reject) => {
    stream.on('end', resolve).on('error', reject);
    stream.on('close', () => reject(new Error('closed')));
  });
  ended.catch(() => {}); // it may fail while nobody waits for it
  try {
    const piece = new Uint8Array(Math.min(PIECE, packed.size));
    for (let at = 0; at < packed.size && !stream.readableEnded; at += PIECE) {
      const part = piece.subarray(0, packed.size - at);
      packed.readInto(part, at);
      // a stream that fails forgets the write it was at
      await Promise.race([written(stream, part), ended]);
    }
    stream.end();
    await ended;
  } catch {
    throw wrongSize(packed, size);
  } finally {
    stream.destroy();
  }
  if (done !== size) throw wrongSize(packed, size);
  return bytes;
}

const written = (stream: InflateRaw, piece: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    stream.write(piece, (error) => (error ? reject(error) : resolve()));
  });

export const zlib: Unpacker = { crc32, inflate, inflateHead, inflateBeside };
