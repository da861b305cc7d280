/**
 * Bounds of sums of products: convolutions and fully connected layers, forward and back. Each has its own
 * number of terms m:
 *
 * - y   C/G·R·S products w·x and a bias (fully connected: as many as inputs)
 * - dw  N·P·Q products dy·x, the batch among them (fully connected: N)
 * - db  N·P·Q values dy
 * - dx  at most K/G·R·S products dy·w (fully connected: as many as neurons)
 */
import type { Terms } from '../../reference/ops/operation.ts';
import { dense, map, type Storage, sizeOf, type Tensor } from '../../reference/tensor.ts';
import * as fast from '../fast/index.ts';
import {
  arithmetic,
  FLOAT16_MAX,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  HALF_SUBNORMAL_16,
  MIN_NORMAL,
  U32,
  U64,
} from './arithmetic.ts';
import {
  type BackwardPass,
  type Bounds,
  type BoundsContext,
  exactGradients,
  type ForwardPass,
  type LayersOf,
  largest,
  type OperationBounds,
  relativeTo,
  storedAsHalves,
  underflow,
} from './bounds.ts';
import { inputTransform, normwise, transformable } from './normwise.ts';

type Weighted = LayersOf<'conv2d' | 'linear'>;

const products: OperationBounds<'conv2d' | 'linear'> = {
  forward(layer, pass, context) {
    const bounds = weightedSums(layer, pass, context);
    const b = pass.weights.get(`${layer.name}.bias`);
    // in float32 that rounding is the last but one of the m + 1 in any order
    return context.half && context.biasApart && b ? withSumAsHalves(bounds, pass.exact, dense(b)) : bounds;
  },
  // what is relative is among the rounded operands; subnormal inputs add 2⁻²⁵ each
  ofInput(layer, { weights, exact: { shape } }) {
    const w = weights.get(`${layer.name}.weight`) as Tensor;
    const [, K, ...plane] = shape;
    const sums = new Float64Array(K);
    for (const [i, v] of dense(w).entries()) sums[Math.floor((i * K) / w.size)] += Math.abs(v);
    return (i) => HALF_SUBNORMAL_16 * sums[Math.floor(i / sizeOf(plane)) % K];
  },
  backward: weightedGradients,
};

export { products as conv2d, products as linear };

/** False alarms per layer that tier 2 may give. */
export const FALSE_ALARM = 1e-6;

/** Σ|w·x| and Σ(w·x)², each with the bias among them. */
function termsOf(layer: Weighted, x: Tensor, w: Tensor, b: Tensor | undefined): Terms {
  const operands = b ? [x, w, b] : [x, w];
  if (layer.kind === 'conv2d') return fast.conv2d.terms(operands, layer.attributes);
  return fast.linear.terms(operands);
}

function weightedSums(layer: Weighted, pass: ForwardPass, context: BoundsContext): Bounds {
  const { exact, weights } = pass;
  const [x] = pass.inputs;
  const w = weights.get(`${layer.name}.weight`) as Tensor;
  const b = weights.get(`${layer.name}.bias`);
  const terms = termsOf(layer, x, w, b);
  const bounds = productBounds(terms, exact, {
    ...context,
    largest: largest(dense(w)) + largest(dense(x)),
    products: withoutBias(new Float64Array(dense(terms.squares)), terms.magnitude.shape, b),
  });
  const one = Math.sqrt(terms.count + 1) * U32 + 2 * context.operands.t;
  const deviation = dense(map(terms.magnitude, (m) => one * m)) as Float64Array;
  if (!arithmetic[context.device].transforms || !transformable(layer)) return { ...bounds, deviation };
  return { ...bounds, deviation, normwise: () => normwise(layer, x, w, exact.shape, context.operands) };
}

interface ProductContext extends Pick<BoundsContext, 'device' | 'operands'> {
  /** The largest values of both operands, added. */
  readonly largest: number;
  /** Σ(w·x)² without b²; default: as the terms say. */
  readonly products?: Float64Array;
}

/**
 * m products and a bias, any order: γ_{m+1}·(Σ|w·x| + |b|) + τ (Higham, section 3.1), plus 2t·Σ|w·x| where
 * operands are rounded to fewer bits, plus the oracle's own γ with u = 2⁻⁵³.
 * Expectation: λ√n·u·Σ|w·x| with n = m + 1 roundings (Higham and Mary 2019, theorem 2.4).
 */
export function productBounds(
  { magnitude, squares, count }: Terms,
  exact: Tensor,
  about: ProductContext,
): Bounds {
  const mag = dense(magnitude);
  const own = dense(squares);
  const total = own instanceof Float64Array ? own : new Float64Array(own);
  const t = about.operands.t;
  const roundings = t > 0 && arithmetic[about.device].tensorCores ? onTensorCores(count) : count + 1;
  const relative = gamma(roundings) + gamma(count + 1, U64) + 2 * t + t * t;
  const underflow = arithmetic[about.device].flushes
    ? count * MIN_NORMAL * (2 + about.largest)
    : count * HALF_SUBNORMAL;
  const expected = expectationFactor(count + 1, mag.length) + 2 * t;
  const { products = total } = about;
  const bound = new Float64Array(mag.length);
  const expectation = new Float64Array(mag.length);
  for (let i = 0; i < mag.length; i++) {
    // a partial sum may overflow although the sum does not
    bound[i] = mag[i] < FLOAT32_MAX / 2 ? relative * mag[i] + underflow : Number.POSITIVE_INFINITY;
    expectation[i] = Math.min(bound[i], expected * mag[i] + underflow);
    // where underflow outweighs rounding, errors say nothing about the arithmetic
    if (U32 * Math.sqrt(products[i]) < underflow) products[i] = 0;
  }
  return {
    bound,
    expectation,
    squares: { total, products, noise: sequentialNoise(count, dense(exact), products, mag) },
  };
}

/**
 * In units of u what tensor cores lose of m products: a block of k (4 to 16) and the sum so far are cut off at 24 bits
 * of the largest, the result once more, each by 2u at most: ⌈m/k⌉·(k + 2)·2u. And a bias. Fasi, Higham, Mikaitis and
 * Pranesh, 'Numerical behavior of NVIDIA tensor cores', PeerJ Computer Science 7:e330 (2021).
 */
const onTensorCores = (m: number): number => 3 * m + 37;

/** λ√n·u for n roundings in each of M elements: what they exceed with probability FALSE_ALARM at most. */
function expectationFactor(n: number, M: number): number {
  return Math.sqrt(2 * Math.log((2 * n * M) / FALSE_ALARM)) * Math.sqrt(n) * U32;
}

/**
 * The error of one float32 accumulator that adds n products term after term: each addition rounds the partial
 * sum s_k, so u·√Σs_k², with s_k² ≈ k·Σ(w·x)²/n where signs are mixed (Σ = n/2·Σ(w·x)²) plus (k·ŷ/n)² for
 * what adds up (n/3·ŷ²). Where the terms are nearly all of one sign (|ŷ| over half of Σ|w·x|) roundings may
 * also all go one way: u·n·|ŷ|/2.
 */
function sequentialNoise(
  n: number,
  exact: ArrayLike<number>,
  products: Float64Array,
  magnitude: ArrayLike<number>,
): Float64Array {
  return products.map((square, i) => {
    const y = Math.abs(exact[i]);
    return y > magnitude[i] / 2 ? (U32 * n * y) / 2 : U32 * Math.sqrt(n * (square / 2 + (y * y) / 3));
  });
}

/** The sum s = ŷ − b, itself off by the bound, is float16 before b is added; where it may overflow, so may y. */
function withSumAsHalves(bounds: Bounds, exact: Tensor, b: Storage): Bounds {
  const y = dense(exact);
  const [, K, ...plane] = exact.shape;
  const PQ = sizeOf(plane);
  return storedAsHalves(bounds, (i) => {
    const most = Math.abs(y[i] - b[Math.floor(i / PQ) % K]) + bounds.bound[i];
    return most < FLOAT16_MAX ? most : Number.POSITIVE_INFINITY;
  });
}

function withoutBias(total: Float64Array, shape: readonly number[], b: Tensor | undefined): Float64Array {
  if (!b) return total;
  const B = dense(b);
  const [, K, ...plane] = shape;
  const PQ = sizeOf(plane);
  for (let i = 0; i < total.length; ) {
    const square = B[(i / PQ) % K] ** 2;
    for (const end = i + PQ; i < end; i++) total[i] = Math.max(0, total[i] - square);
  }
  return total;
}

/** Bounds of all gradients of one layer: dx, dw, db. */
function weightedGradients(
  layer: Weighted,
  pass: BackwardPass,
  exact: readonly (Tensor | null)[],
  context: BoundsContext,
): readonly Bounds[] {
  const { dy } = pass;
  const [x] = pass.inputs;
  const name = `${layer.name}.weight`;
  const w = pass.weights.get(name) as Tensor;
  const run = (f: (v: number) => number): readonly Tensor[] => {
    const mapped = { ...pass, inputs: [map(x, f)], weights: new Map([[name, map(w, f)]]) };
    return exactGradients(layer, mapped, map(dy, f)) as readonly Tensor[];
  };
  const magnitude = run(Math.abs);
  const squares = run((v) => v * v);
  const [N, K, ...plane] = dy.shape;
  const positions = sizeOf([N, ...plane]);
  const taps =
    layer.kind === 'linear' ? K : (K / layer.attributes.groups) * layer.kernel[0] * layer.kernel[1];
  const sums = (i: 0 | 1, operand: Tensor, count: number): Bounds => {
    const terms = { magnitude: magnitude[i], squares: squares[i], count };
    const about = { ...context, largest: largest(dense(dy)) + largest(dense(operand)) };
    return productBounds(terms, exact[i] as Tensor, about);
  };
  const transform = layer.kind === 'conv2d' && inputTransform(layer, [dy, w], x.shape, context);
  const ofX = exact[0] && { ...sums(0, w, taps), ...(transform && { normwise: transform }) };
  return [ofX as Bounds, sums(1, x, positions), sumBounds(magnitude[2], positions, context)];
}

/** `count` values added in any order: γ_{count−1}·Σ|dy|; one more for a sum that starts at 0. */
function sumBounds(magnitude: Tensor, count: number, { device }: BoundsContext): Bounds {
  const mag = dense(magnitude);
  const tiny = underflow(arithmetic[device], count);
  const expected = expectationFactor(count, mag.length);
  const { bound } = relativeTo(mag, gamma(count), tiny);
  return { bound, expectation: bound.map((b, i) => Math.min(b, expected * mag[i] + tiny)) };
}
