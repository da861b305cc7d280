/**
 * float32 arithmetic evaluated exactly as an engine might: any order of summation, with or without fused
 * multiply-add.
 */

const f = Math.fround;

/** Ways to add up products; each is a right float32 evaluation of Σ w·x. */
export const orders = ['forward', 'backward', 'pairwise', 'blocked', 'interleaved'] as const;
export type Order = (typeof orders)[number];

/** Σ w[i]·x[i] + bias in float32; `round` rounds every intermediate result. */
export function dot(
  w: readonly number[],
  x: readonly number[],
  bias: number,
  order: Order,
  fused: boolean,
  round: (value: number) => number = f,
): number {
  const indices = w.map((_, i) => i);
  const add = (a: number, b: number): number => round(a + b);
  const chain = (list: readonly number[], start = 0): number =>
    list.reduce((sum, i) => (fused ? round(fma(w[i], x[i], sum)) : add(sum, round(w[i] * x[i]))), start);
  const pairwise = (list: readonly number[]): number => {
    if (list.length <= 2) return chain(list);
    const half = list.length >> 1;
    return add(pairwise(list.slice(0, half)), pairwise(list.slice(half)));
  };
  switch (order) {
    case 'forward':
      return add(chain(indices), bias);
    case 'backward':
      return chain(indices.reverse(), bias);
    case 'pairwise':
      return add(pairwise(indices), bias);
    case 'blocked': {
      const sums: number[] = [];
      for (let i = 0; i < indices.length; i += 7) sums.push(chain(indices.slice(i, i + 7)));
      return add(sums.reduce(add, 0), bias);
    }
    case 'interleaved': {
      // four accumulators, as SIMD lanes
      const lanes = [0, 1, 2, 3].map((lane) => chain(indices.filter((i) => i % 4 === lane)));
      return add(add(add(lanes[0], lanes[2]), add(lanes[1], lanes[3])), bias);
    }
  }
}

/** Rounds to float32 and turns subnormal numbers into 0, as a device that flushes may. */
export const flush = (value: number): number => {
  const rounded = f(value);
  return Math.abs(rounded) < 2 ** -126 ? 0 : rounded;
};

/**
 * fround(a·b + c) with one rounding. a·b is exact in float64; its sum with c is made exact as two float64
 * numbers (Knuth's TwoSum) and rounded to float32 by hand where the first of them lies on a tie.
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
