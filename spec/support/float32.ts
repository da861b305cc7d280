/** float32 arithmetic evaluated exactly as an engine might: any order of summation, with or without fused multiply-add. */

const f = Math.fround;

/** Ways to add up products; each is a right float32 evaluation of Σ w·x. */
export const orders = ['forward', 'backward', 'pairwise', 'blocked', 'interleaved'] as const;
export type Order = (typeof orders)[number];

/** Σ w[i]·x[i] + bias in float32. */
export function dot(
  w: readonly number[],
  x: readonly number[],
  bias: number,
  order: Order,
  fused: boolean,
): number {
  const indices = w.map((_, i) => i);
  const chain = (list: readonly number[], start = 0): number =>
    list.reduce((sum, i) => (fused ? fma(w[i], x[i], sum) : f(sum + f(w[i] * x[i]))), start);
  switch (order) {
    case 'forward':
      return f(chain(indices) + bias);
    case 'backward':
      return chain(indices.reverse(), bias);
    case 'pairwise':
      return f(pairwise(indices, chain) + bias);
    case 'blocked': {
      const sums: number[] = [];
      for (let i = 0; i < indices.length; i += 7) sums.push(chain(indices.slice(i, i + 7)));
      return f(sums.reduce((sum, part) => f(sum + part), 0) + bias);
    }
    case 'interleaved': {
      // four accumulators, as SIMD lanes
      const lanes = [0, 1, 2, 3].map((lane) => chain(indices.filter((i) => i % 4 === lane)));
      return f(f(f(lanes[0] + lanes[2]) + f(lanes[1] + lanes[3])) + bias);
    }
  }
}

function pairwise(list: readonly number[], chain: (list: readonly number[]) => number): number {
  if (list.length <= 2) return chain(list);
  const half = list.length >> 1;
  return f(pairwise(list.slice(0, half), chain) + pairwise(list.slice(half), chain));
}

/**
 * fround(a·b + c) with one rounding. a·b is exact in float64; its sum with c is made exact as two float64 numbers (Knuth's
 * TwoSum) and rounded to float32 by hand where the first of them lies on a tie.
 */
export function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  const rest = product - (sum - back) + (c - back);
  const rounded = f(sum);
  if (rest === 0 || !Number.isFinite(sum)) return rounded;
  // double rounding can only go wrong where `sum` lies exactly between two float32 numbers
  const other = f(rounded + (sum - rounded) * 2);
  if (other === rounded || (rounded + other) / 2 !== sum) return rounded;
  return rest > 0 ? Math.max(rounded, other) : Math.min(rounded, other);
}

/** Rounds a significand to `bits` bits, the leading one included, to nearest even. */
export const roundTo =
  (bits: number) =>
  (value: number): number => {
    // Veltkamp's splitting, in float32
    const big = f(value * (2 ** (24 - bits) + 1));
    return f(big - f(big - value));
  };
