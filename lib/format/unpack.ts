/** Unpacking the deflated members of an archive, wherever this runs: fflate, in plain JavaScript. */
import { Inflate, inflateSync } from 'fflate';
import { crc32 } from './crc32.ts';
import type { Source, Unpacker } from './source.ts';

export const wrongSize = (packed: Source, size: number): Error =>
  packed.bad(`does not unpack to the ${size} bytes it claims`);

function inflate(packed: Source, size: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array;
  try {
    // one byte more than is due: what overflows the room is dropped, not noticed
    bytes = inflateSync(packed.read(0, packed.size), { out: new Uint8Array(size + 1) });
  } catch {
    throw wrongSize(packed, size);
  }
  if (bytes.length !== size) throw wrongSize(packed, size);
  return bytes as Uint8Array<ArrayBuffer>;
}

function inflateHead(packed: Source, length: number): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(length);
  let done = 0;
  const stream = new Inflate((piece) => {
    head.set(piece.subarray(0, length - done), done);
    done = Math.min(length, done + piece.length);
  });
  try {
    // a stored block, of 64 KiB at most, comes out whole or not at all
    stream.push(packed.read(0, Math.min(packed.size, length + 65_600)), false);
  } catch {
    throw packed.bad('does not unpack');
  }
  return head.subarray(0, done);
}

export const portable: Unpacker = {
  crc32,
  inflate,
  inflateHead,
  inflateBeside: async (packed, size) => inflate(packed, size),
};
