/** What members of a zip archive need wherever this runs: their checksum, and fflate to unpack them. */
import { Inflate, inflateSync } from 'fflate';
import type { Source, Unpacker } from './source.ts';

// The checksum, eight bytes at a time ("slicing-by-8", Kounavis and Berry, 2008): the polynomial 0xedb88320,
// reflected.
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  tables[0][byte] = sum;
}
for (let byte = 0; byte < 256; byte++) {
  for (let ahead = 1; ahead < 8; ahead++) {
    const sum = tables[ahead - 1][byte];
    tables[ahead][byte] = (sum >>> 8) ^ tables[0][sum & 255];
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;

/** The sum of the bytes, going on from that of what came before. */
export function crc32(bytes: Uint8Array, before = 0): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = ~before;
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    const a = sum ^ words.getInt32(at, true);
    const b = words.getInt32(at + 4, true);
    const first = t7[a & 255] ^ t6[(a >>> 8) & 255] ^ t5[(a >>> 16) & 255] ^ t4[a >>> 24];
    sum = first ^ t3[b & 255] ^ t2[(b >>> 8) & 255] ^ t1[(b >>> 16) & 255] ^ t0[b >>> 24];
  }
  for (; at < bytes.length; at++) sum = (sum >>> 8) ^ t0[(sum ^ bytes[at]) & 255];
  return ~sum >>> 0;
}

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
