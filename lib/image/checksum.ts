/** The two checksums of a PNG: CRC-32 of each chunk (W3C PNG, annex D), Adler-32 of the pixel data (RFC 1950). */

const POLYNOMIAL = 0xedb88320;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? POLYNOMIAL ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** 32 bits, without sign. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The largest prime below 2¹⁶. */
const BASE = 65521;
/** So many bytes can be summed before the sums outgrow 32 bits. */
const RUN = 5552;

/** 32 bits, without sign. */
export function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (let at = 0; at < bytes.length; ) {
    for (const end = Math.min(at + RUN, bytes.length); at < end; at++) {
      low += bytes[at];
      high += low;
    }
    low %= BASE;
    high %= BASE;
  }
  return high * 65536 + low;
}
