/** Values that make a difference in bits visible, and how bits are compared. */

/** Every 16th value is one of these: signed zeros, subnormals, the least normal number … */
const AWKWARD = [0, -0, 1e-45, -3e-42, 1.1754943508222875e-38, 16777218];
/** … or of these; they hide what is added to them, so most comparisons go without. */
const NON_FINITE = [3.4028234663852886e38, -3e38, Infinity, -Infinity, NaN];

export interface Mix {
  /** Also overflowing values, infinities and NaN. */
  readonly nonFinite?: boolean;
}

/** `size` values from a small linear congruential generator: reproducible, magnitudes over six decades. */
export function awkward(
  size: number,
  seed: number,
  { nonFinite = false }: Mix = {},
): Float32Array<ArrayBuffer> {
  const rare = nonFinite ? [...AWKWARD, ...NON_FINITE] : AWKWARD;
  let state = (seed * 2654435761 + 12345) >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return new Float32Array(size).map(() => {
    const draw = next();
    if (draw < 1 / 16) return rare[Math.floor(next() * rare.length)];
    return (next() - 0.5) * 10 ** Math.floor(next() * 6 - 3);
  });
}

/** Where the first difference is: −1 if the bits agree. Any NaN equals any other: JavaScript leaves its bits open. */
export function firstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}
