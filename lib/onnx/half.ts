/**
 * Rounding a float64 to IEEE 754 binary16 and to bfloat16: to nearest, ties to even.
 *
 * In one step: float64 → float32 → float16 would round twice, and differ where the first lands on a tie.
 */

/** Rounds to a grid of 2^step, ties to even; |x| below 2^(step+52). */
function toGrid(x: number, step: number): number {
  const shift = 2 ** step;
  const scaled = x / shift;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  const up = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0);
  return (up ? floor + 1 : floor) * shift;
}

const view = new DataView(new ArrayBuffer(8));

function exponentOf(x: number): number {
  view.setFloat64(0, x);
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
}

function round(x: number, significand: number, smallest: number, largest: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const rounded = toGrid(x, Math.max(exponentOf(x), smallest) - significand);
  if (rounded === 0) return x < 0 ? -0 : 0;
  return Math.abs(rounded) > largest ? Math.sign(x) * Infinity : rounded;
}

/** The nearest float16: 10 significand bits, normal from 2^−14, at most 65504. */
export const toFloat16 = (x: number): number => round(x, 10, -14, 65504);

/** The nearest bfloat16: 7 significand bits, float32's exponents. */
export const toBfloat16 = (x: number): number => round(x, 7, -126, 3.3895313892515355e38);
