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

/** Philox4x32-10: four random 32-bit words, into `out`, for a counter of four words and a key of two. */
export function philox(
  counter: ArrayLike<number>,
  key: ArrayLike<number>,
  out = new Uint32Array(4),
): Uint32Array {
  let c0 = counter[0] | 0;
  let c1 = counter[1] | 0;
  let c2 = counter[2] | 0;
  let c3 = counter[3] | 0;
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
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
  return out;
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

/** The number of a stream: FNV-1a (32 bit) of its name's UTF-16 units, which are its bytes for ASCII names. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The seed's two words. Throws unless it is an integer from 0 to 2⁵³ − 1. */
function keyOf(seed: number): readonly [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`random: seed must be an integer from 0 to 2^53 - 1 (= ${seed})`);
  }
  return [seed >>> 0, Math.floor(seed / TWO32)];
}

/** `out` from number `first` of a stream on: `f` of each word. */
function fill<T extends Storage | Uint32Array>(
  out: T,
  seed: number,
  stream: number,
  first: number,
  f: (word: number) => number,
): T {
  const key = keyOf(seed);
  const counter = Uint32Array.of(0, 0, stream, 0);
  const four = new Uint32Array(4);
  for (let i = 0; i < out.length; ) {
    const index = Math.floor((first + i) / 4);
    counter[0] = index; // its low 32 bits
    counter[1] = Math.floor(index / TWO32);
    philox(counter, key, four);
    for (let j = (first + i) % 4; j < 4 && i < out.length; j++) out[i++] = f(four[j]);
  }
  return out;
}

/** Random 32-bit words `first` … of a stream. */
export const words = (seed: number, stream: number, count: number, first = 0): Uint32Array =>
  fill(new Uint32Array(count), seed, stream, first, (word) => word);

/** A word as a number in (0, 1): (word + ½)·2⁻³², never 0 or 1. */
export const uniform = (word: number): number => (word + 0.5) / TWO32;

/** Normals `first` … of a stream (mean 0, standard deviation `deviation`) into `out`, each rounded once. */
export function fillNormals(out: Storage, seed: number, stream: number, deviation = 1, first = 0): void {
  fill(out, seed, stream, first, (word) => deviation * normalQuantile(uniform(word)));
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
  if (Math.abs(q) <= 0.425) return q * ratio(0.180625 - q * q, A, B);
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  const z = r <= 5 ? ratio(r - 1.6, C, D) : ratio(r - 5, E, F);
  return q < 0 ? -z : z;
}

/** Σ cᵢ·rⁱ, i from 0 to 7, by Horner's rule. */
const polynomial = (r: number, c: readonly number[]): number =>
  ((((((c[7] * r + c[6]) * r + c[5]) * r + c[4]) * r + c[3]) * r + c[2]) * r + c[1]) * r + c[0];

const ratio = (r: number, p: readonly number[], q: readonly number[]): number =>
  polynomial(r, p) / polynomial(r, q);

// Wichura's coefficients, each rounded to a double
const A = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987,
  67265.7709270087, 33430.57558358813, 2509.0809287301227,
];
const B = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
  28729.085735721943, 5226.495278852854,
];
const C = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
  0.2417807251774506, 0.022723844989269184, 0.0007745450142783414,
];
const D = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
  0.0005475938084995345, 1.0507500716444169e-9,
];
const E = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
  0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
];
const F = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133,
  1.8463183175100548e-5, 1.421511758316446e-7, 2.0442631033899397e-15,
];
