/**
 * binary16 and bfloat16 ↔ binary32, by integer arithmetic on the bits.
 *
 * Widening is exact. Narrowing rounds to nearest, ties to even (IEEE 754), subnormals included; what is
 * finite and rounds to 65536 or more becomes infinity, and callers who must not have that look for it.
 */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Leaves the number in `bits`, rounded to odd if binary32 cannot hold it: a second rounding is then exact. */
function toOdd(value: number): void {
  float[0] = value;
  if (float[0] === value || Number.isNaN(value)) return;
  if (Math.abs(float[0]) > Math.abs(value)) bits[0]--;
  bits[0] |= 1;
}

/** The binary16 bits nearest to a number. NaN keeps its sign and becomes quiet. */
function float16Bits(value: number): number {
  toOdd(value);
  const sign = (bits[0] >>> 16) & 0x8000;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // subnormal: a multiple of 2⁻²⁴; adding 0.5 in float32 (spacing 2⁻²⁴) does the rounding
    float[0] = Math.fround(Math.abs(float[0]) + 0.5);
    return sign | (bits[0] - 0x3f000000);
  }
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/** The bfloat16 bits nearest to a number: the upper half of a binary32. NaN keeps its sign and becomes quiet. */
function bfloat16Bits(value: number): number {
  toOdd(value);
  if (Number.isNaN(value)) return ((bits[0] >>> 16) & 0x8000) | 0x7fc0;
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
}

/** Binary16 bits as those of a binary32; a NaN keeps its payload. */
function widened(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = half & 0x7fff;
  // the exponent's bias is 15 here and 127 there; infinity and NaN have the largest in both
  if (magnitude >= 0x7c00) return sign | (0x70000000 + (magnitude << 13));
  if (magnitude >= 0x400) return sign | (0x38000000 + (magnitude << 13));
  float[0] = magnitude * 2 ** -24;
  return sign | bits[0];
}

/** A number rounded to the nearest binary16. */
export function roundFloat16(value: number): number {
  bits[0] = widened(float16Bits(value));
  return float[0];
}

/** A number rounded to the nearest bfloat16. */
export function roundBfloat16(value: number): number {
  bits[0] = bfloat16Bits(value) << 16;
  return float[0];
}

function bitsOf(values: ArrayLike<number>, round: (value: number) => number): Uint16Array<ArrayBuffer> {
  const result = new Uint16Array(values.length);
  for (let i = 0; i < result.length; i++) result[i] = round(values[i]);
  return result;
}

/** Binary16 bits of every value. */
export const toFloat16 = (values: ArrayLike<number>): Uint16Array<ArrayBuffer> => bitsOf(values, float16Bits);

/** Bfloat16 bits of every value. */
export const toBfloat16 = (values: ArrayLike<number>): Uint16Array<ArrayBuffer> =>
  bitsOf(values, bfloat16Bits);

/** Binary16 bits of every value. Throws, naming the tensor, where a finite value becomes infinite. */
export function fittingFloat16(name: string, values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  const halves = toFloat16(values);
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i] & 0x7fff) === 0x7c00 && Number.isFinite(values[i]))
      throw new RangeError(`${name}: ${values[i]} does not fit float16 (at most 65504)`);
  }
  return halves;
}

/** The values of binary16 bits. */
export const fromFloat16 = (halves: ArrayLike<number>): Float32Array<ArrayBuffer> => {
  const result = new Float32Array(halves.length);
  const patterns = new Uint32Array(result.buffer);
  for (let i = 0; i < result.length; i++) patterns[i] = widened(halves[i]);
  return result;
};

/** The values of bfloat16 bits: the upper halves of binary32 numbers. */
export const fromBfloat16 = (halves: ArrayLike<number>): Float32Array<ArrayBuffer> => {
  const result = new Uint32Array(halves.length);
  for (let i = 0; i < result.length; i++) result[i] = halves[i] << 16;
  return new Float32Array(result.buffer);
};
