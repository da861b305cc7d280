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
import { dense, map, type Tensor } from '../../reference/tensor.ts';
import * as fast from '../fast/index.ts';
import type { Device } from '../runtime/failures.ts';
import {
  arithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  MIN_NORMAL,
  type OperandRounding,
  U32,
  U64,
} from './arithmetic.ts';
import {
  type BackwardPass,
  type Bounds,
  type Context,
  type ForwardPass,
  type Judged,
  type JudgedGradients,
  type LayerOf,
  largest,
  type OperationBounds,
  underflow,
} from './bounds.ts';
import { inputTransform, normwise, transformable } from './normwise.ts';

type Weighted = LayerOf<'conv2d' | 'linear'>;

const products: OperationBounds<'conv2d' | 'linear'> = { forward: weightedSums, backward: weightedGradients };

export { products as conv2d, products as linear };

/** False alarms per layer that tier 2 may give. */
export const FALSE_ALARM = 1e-6;

/** Σ|w·x| and Σ(w·x)², each with the bias among them. */
function termsOf(layer: Weighted, x: Tensor, w: Tensor, b: Tensor | undefined): Terms {
  const operands = b ? [x, w, b] : [x, w];
  if (layer.kind === 'conv2d') return fast.conv2d.terms(operands, layer.attributes);
  return fast.linear.terms(operands);
}

function weightedSums(layer: Weighted, pass: ForwardPass, context: Context): Bounds {
  const { exact, weights } = pass;
  const [x] = pass.inputs;
  const w = weights.get(`${layer.name}.weight`) as Tensor;
  const b = weights.get(`${layer.name}.bias`);
  const terms = termsOf(layer, x, w, b);
  const bounds = productBounds(terms, exact, {
    ...context,
    largest: largest(dense(w)) + largest(dense(x)),
    products: withoutBias(Float64Array.from(dense(terms.squares)), terms.magnitude.shape, b),
  });
  const one = Math.sqrt(terms.count + 1) * U32 + 2 * context.operands.t;
  const deviation = new Float64Array(dense(terms.magnitude)).map((m) => one * m);
  if (context.device !== 'cuda' || !transformable(layer)) return { ...bounds, deviation };
  return { ...bounds, deviation, normwise: () => normwise(layer, x, w, exact.shape, context.operands) };
}

export interface Products {
  readonly device: Device;
  readonly operands: OperandRounding;
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
export function productBounds({ magnitude, squares, count }: Terms, exact: Tensor, about: Products): Bounds {
  const mag = dense(magnitude);
  const own = dense(squares);
  const total = own instanceof Float64Array ? own : new Float64Array(own);
  const t = about.operands.t;
  const relative = gamma(count + 1) + gamma(count + 1, U64) + 2 * t + t * t;
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

/** λ√n·u for n roundings in each of M elements: what they exceed with probability FALSE_ALARM at most. */
export function expectationFactor(n: number, M: number): number {
  return Math.sqrt(2 * Math.log((2 * n * M) / FALSE_ALARM)) * Math.sqrt(n) * U32;
}

/**
 * The error of one float32 accumulator that adds n products term after term: each addition rounds the partial
 * sum s_k, so u·√Σs_k², with s_k² ≈ k·Σ(w·x)²/n where signs are mixed (Σ = n/2·Σ(w·x)²) plus (k·ŷ/n)² for
 * what adds up (n/3·ŷ²). Where the terms are nearly all of one sign (|ŷ| over half of Σ|w·x|) roundings may
 * also all go one way: u·n·|ŷ|/2.
 */
export function sequentialNoise(
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

function withoutBias(total: Float64Array, shape: readonly number[], b: Tensor | undefined): Float64Array {
  if (!b) return total;
  const B = dense(b);
  const [, K, ...rest] = shape;
  const PQ = rest.reduce((product, extent) => product * extent, 1);
  return total.map((value, i) => Math.max(0, value - B[Math.floor(i / PQ) % K] ** 2));
}

type Parts = { readonly dx: Tensor | null; readonly dw: Tensor; readonly db: Tensor };

/** All gradients of one layer, from the device's dy and x. */
function weightedGradients(layer: Weighted, pass: BackwardPass, context: Context): JudgedGradients {
  const { dy, wanted } = pass;
  const [x] = pass.inputs;
  const w = pass.weights.get(`${layer.name}.weight`) as Tensor;
  const run = (f: (v: number) => number): Parts => gradients(layer, [dy, x, w], f, wanted);
  const exact = run(Number);
  const magnitude = run(Math.abs);
  const squares = run((v) => v * v);
  const [N, K, ...plane] = dy.shape;
  const positions = plane.reduce((product, extent) => product * extent, N);
  const taps =
    layer.kind === 'linear' ? K : (K / layer.attributes.groups) * layer.kernel[0] * layer.kernel[1];
  const judged = (part: 'dx' | 'dw', operands: readonly [Tensor, Tensor], count: number): Judged => {
    const terms: Terms = { magnitude: magnitude[part]!, squares: squares[part]!, count };
    const sizes = operands.map((one) => largest(dense(one)));
    const about = { ...context, largest: sizes[0] + sizes[1] };
    const bounds = productBounds(terms, exact[part]!, about);
    if (layer.kind === 'linear') return { exact: exact[part]!, bounds };
    const transform = part === 'dx' ? inputTransform(layer, operands, x.shape, context) : undefined;
    return { exact: exact[part]!, bounds: transform ? { ...bounds, normwise: transform } : bounds };
  };
  return {
    dxs: [exact.dx && judged('dx', [dy, w], taps)],
    dw: judged('dw', [dy, x], positions),
    db: { exact: exact.db, bounds: sumBounds(magnitude.db, positions, context) },
  };
}

function gradients(
  layer: Weighted,
  operands: readonly [Tensor, Tensor, Tensor],
  f: (v: number) => number,
  wanted: { readonly dx: boolean },
): Parts {
  const [dy, x, w] = f === Number ? operands : operands.map((one) => map(one, f));
  const how = { precision: 'float64', ...wanted } as const;
  const [dx, dw, db] = fast.operations[layer.kind].backward(dy, [x, w], dy, layer.attributes, how);
  return { dx, dw: dw as Tensor, db: db as Tensor };
}

/** `count` values added in any order: γ_{count−1}·Σ|dy|; one more for a sum that starts at 0. */
function sumBounds(magnitude: Tensor, count: number, { device }: Context): Bounds {
  const mag = dense(magnitude);
  const tiny = underflow(arithmetic[device], count);
  const expected = expectationFactor(count, mag.length);
  const bound = new Float64Array(mag).map((m) => gamma(count) * m + tiny);
  return { bound, expectation: bound.map((b, i) => Math.min(b, expected * mag[i] + tiny)) };
}
