/**
 * All randomness of the project: counter-based, so that number i of a stream depends on (seed, stream, i) alone and
 * any part of it can be drawn at any time, in any order.
 *
 * Source  Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *         Normals: inverse of the normal distribution function, PPND16 of Wichura, algorithm AS 241, Applied
 *         Statistics 37 (1988); relative accuracy about 1 in 10¹⁶.
 * Layout  key = the seed's two 32-bit halves; counter = [block low, block high, stream, 0]; word i of a stream is
 *         word i mod 4 of block ⌊i/4⌋.
 */
import { log } from './math.ts';
import type { Storage } from './tensor.ts';

const TWO32 = 4294967296;

/** One Philox4x32-10 block into out[0..3]. Only the low 32 bits of the words count. */
function block(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Uint32Array,
): void {
  let [c0, c1, c2, c3, k0, k1] = [counter0 | 0, counter1 | 0, counter2 | 0, counter3 | 0, key0 | 0, key1 | 0];
  for (let round = 0; round < 10; round++) {
    const next0 = multiplyHigh(0xcd9e, 0x8d57, c2) ^ c1 ^ k0;
    const next2 = multiplyHigh(0xd251, 0x1f53, c0) ^ c3 ^ k1;
    c1 = Math.imul(0xcd9e8d57, c2);
    c3 = Math.imul(0xd2511f53, c0);
    c0 = next0;
    c2 = next2;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** High 32 bits of (mHigh·2¹⁶ + mLow)·b, both unsigned, from 16-bit halves. */
function multiplyHigh(mHigh: number, mLow: number, b: number): number {
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const highLow = Math.imul(mHigh, bLow);
  const lowHigh = Math.imul(mLow, bHigh);
  const middle = (Math.imul(mLow, bLow) >>> 16) + (highLow & 0xffff) + (lowHigh & 0xffff);
  return (Math.imul(mHigh, bHigh) + (highLow >>> 16) + (lowHigh >>> 16) + (middle >>> 16)) | 0;
}

export type Counter = readonly [number, number, number, number];
export type Key = readonly [number, number];

/** Philox4x32-10: four random 32-bit words for a counter of four and a key of two words. */
export function philox(counter: Counter, key: Key): Uint32Array {
  const out = new Uint32Array(4);
  block(...counter, ...key, out);
  return out;
}

/** The number of a stream: FNV-1a (32 bit) of its name's UTF-16 units, which are its bytes for ASCII names. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The seed's two words. Throws unless it is an integer from 0 to 2⁵³ − 1. */
function keyOf(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`random: seed must be an integer from 0 to 2^53 - 1 (= ${seed})`);
  }
  return [seed >>> 0, Math.floor(seed / TWO32)];
}

/** Random 32-bit words `first` … of a stream. */
export function words(seed: number, stream: number, count: number, first = 0): Uint32Array {
  const [k0, k1] = keyOf(seed);
  const out = new Uint32Array(count);
  const four = new Uint32Array(4);
  for (let i = 0; i < count; ) {
    const index = Math.floor((first + i) / 4);
    block(index >>> 0, Math.floor(index / TWO32), stream, 0, k0, k1, four);
    for (let j = (first + i) % 4; j < 4 && i < count; j++) out[i++] = four[j];
  }
  return out;
}

/** A word as a number in (0, 1): (word + ½)·2⁻³², never 0 or 1. */
export const uniform = (word: number): number => (word + 0.5) / TWO32;

/** Normals `first` … of a stream (mean 0, standard deviation `deviation`) into `out`, each rounded once. */
export function fillNormals(out: Storage, seed: number, stream: number, deviation = 1, first = 0): void {
  const [k0, k1] = keyOf(seed);
  const four = new Uint32Array(4);
  for (let i = 0; i < out.length; ) {
    const index = Math.floor((first + i) / 4);
    block(index >>> 0, Math.floor(index / TWO32), stream, 0, k0, k1, four);
    for (let j = (first + i) % 4; j < 4 && i < out.length; j++) {
      out[i++] = deviation * normalQuantile((four[j] + 0.5) / TWO32);
    }
  }
}

/** `count` standard normals of a stream, from number `first` on. */
export function normals(seed: number, stream: number, count: number, first = 0): Float64Array {
  const out = new Float64Array(count);
  fillNormals(out, seed, stream, 1, first);
  return out;
}

/** The z with Φ(z) = p, for 0 < p < 1 (PPND16). */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * central(0.180625 - q * q);
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  const z = r <= 5 ? tail(r - 1.6) : farTail(r - 5);
  return q < 0 ? -z : z;
}

/** Σ cᵢ·rⁱ by Horner's rule. */
function polynomial(
  r: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  c4: number,
  c5: number,
  c6: number,
  c7: number,
): number {
  return ((((((c7 * r + c6) * r + c5) * r + c4) * r + c3) * r + c2) * r + c1) * r + c0;
}

// Wichura's a and b, c and d, e and f, each rounded to a double
const central = (r: number): number =>
  polynomial(
    r,
    3.3871328727963665,
    133.14166789178438,
    1971.5909503065513,
    13731.69376550946,
    45921.95393154987,
    67265.7709270087,
    33430.57558358813,
    2509.0809287301227,
  ) /
  polynomial(
    r,
    1,
    42.31333070160091,
    687.1870074920579,
    5394.196021424751,
    21213.794301586597,
    39307.89580009271,
    28729.085735721943,
    5226.495278852854,
  );
const tail = (r: number): number =>
  polynomial(
    r,
    1.4234371107496835,
    4.630337846156546,
    5.769497221460691,
    3.6478483247632045,
    1.2704582524523684,
    0.2417807251774506,
    0.022723844989269184,
    0.0007745450142783414,
  ) /
  polynomial(
    r,
    1,
    2.053191626637759,
    1.6763848301838038,
    0.6897673349851,
    0.14810397642748008,
    0.015198666563616457,
    0.0005475938084995345,
    1.0507500716444169e-9,
  );
const farTail = (r: number): number =>
  polynomial(
    r,
    6.657904643501103,
    5.463784911164114,
    1.7848265399172913,
    0.29656057182850487,
    0.026532189526576124,
    0.0012426609473880784,
    2.7115555687434876e-5,
    2.0103343992922881e-7,
  ) /
  polynomial(
    r,
    1,
    0.599832206555888,
    0.1369298809227358,
    0.014875361290850615,
    0.0007868691311456133,
    1.8463183175100548e-5,
    1.421511758316446e-7,
    2.0442631033899397e-15,
  );
