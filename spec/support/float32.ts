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

/** Cut off towards zero at 24 bits of a number of that exponent. */
const cutOff = (value: number, exponent: number): number => {
  const unit = 2 ** (exponent - 23);
  return Math.trunc(value / unit) * unit;
};
const exponentOf = (value: number): number => Math.floor(Math.log2(Math.abs(value)));

/**
 * Σ w[i]·x[i] as tensor cores add it up: `block` exact products and the sum so far are aligned to the largest of them,
 * cut off at 24 bits without a guard bit, added, and cut off again. Source: Fasi, Higham, Mikaitis and Pranesh,
 * PeerJ Computer Science 7:e330 (2021), table 3: the V100, whose blocks are of 4.
 */
export function tensorCoreDot(w: ArrayLike<number>, x: ArrayLike<number>, block: number): number {
  let sum = 0;
  for (let i = 0; i < w.length; i += block) {
    const addends = [sum];
    for (let j = i; j < Math.min(i + block, w.length); j++) addends.push(w[j] * x[j]);
    // a product's significand lies in [1, 4): its exponent is that of its operands
    const exponents = addends.map((v, j) =>
      j === 0 ? exponentOf(v) : exponentOf(w[i + j - 1]) + exponentOf(x[i + j - 1]),
    );
    const largest = Math.max(...exponents);
    const exact = addends.reduce((total, v) => total + cutOff(v, largest), 0);
    sum = exact === 0 ? 0 : cutOff(exact, exponentOf(exact));
  }
  return sum;
}
