/**
 * Tier 1 and 2: how far a right device may be from the oracle, element by element. docs/error-bounds.md derives each.
 *
 * ŷ is the oracle's unrounded float64 result computed from the device's own inputs; every bound holds for any order of
 * summation, with or without fused multiply-add.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import type { Terms } from '../../reference/ops/terms.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, map, type Tensor } from '../../reference/tensor.ts';
import type { Device } from '../runtime/devices.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  MIN_NORMAL,
  type OperandRounding,
  U32,
  U64,
} from './arithmetic.ts';
import { inputRounding, resultRounding } from './halves.ts';
import { lrnBounds, mapnormBounds, softmaxBounds } from './normalisers.ts';
import { type Normwise, normwise, transformable } from './normwise.ts';

export interface Bounds {
  /** Tier 1: |y − ŷ| beyond this is a fault. ∞ where nothing can be promised. */
  readonly bound: Float64Array;
  /** Tier 2, convolutions and linear layers: beyond this is suspicious. */
  readonly expectation?: Float64Array;
  /** One standard deviation of what rounding adds up to: the expectation without λ. */
  readonly deviation?: Float64Array;
  /** What tier 3 measures by. */
  readonly squares?: Squares;
  /** Where `bound` is that of one engine's algorithm: its name, and the bound that any other would keep. */
  readonly named?: string;
  readonly anyOrder?: Float64Array;
  /** What a convolution by a transform keeps, where the device may have used one. */
  readonly normwise?: () => Normwise;
}

export interface Squares {
  /** Σ(w·x)² + b². */
  readonly total: Float64Array;
  /** Σ(w·x)². */
  readonly products: Float64Array;
  /** Error that one float32 accumulator, term after term, is expected to make. */
  readonly noise: Float64Array;
}

export interface Context {
  readonly device: Device;
  readonly operands: OperandRounding;
  /** Stored as float16: one more rounding of the result, 2⁻¹¹. */
  readonly half: boolean;
  /** Whether LRN is onnxruntime's native CPU kernel, which keeps a running sum. */
  readonly runningSum: boolean;
  /** Σ|w·x| and Σ(w·x)² of a layer, plain or fast. */
  readonly terms: (layer: Layer, x: Tensor, weights: Weights) => Terms;
}

/** False alarms per layer that tier 2 may give. */
export const FALSE_ALARM = 1e-6;

/** Bounds of one layer's output. `inputs` are the device's; `exact` is ŷ. */
export function boundsOf(
  layer: Layer,
  inputs: readonly Tensor[],
  exact: Tensor,
  weights: Weights,
  context: Context,
): Bounds {
  const result = raw(layer, inputs, exact, weights, context);
  return context.half ? rounded(result, exact, inputRounding(layer, inputs[0], exact)) : result;
}

/**
 * The same bounds where values are float16: the result is rounded once more, and `ofInput` is what its
 * input's rounding adds.
 */
export function rounded(bounds: Bounds, exact: Tensor, ofInput: (i: number) => number = () => 0): Bounds {
  const y = dense(exact);
  const widened = (limit: number, i: number): number => limit + resultRounding(y[i]) + ofInput(i);
  const { bound, expectation, normwise } = bounds;
  return {
    ...bounds,
    bound: bound.map(widened),
    ...(expectation && { expectation: expectation.map(widened) }),
    ...(normwise && {
      normwise: () => {
        const wider = normwise();
        return { ...wider, bound: wider.bound.map(widened) };
      },
    }),
  };
}

function raw(
  layer: Layer,
  inputs: readonly Tensor[],
  exact: Tensor,
  weights: Weights,
  context: Context,
): Bounds {
  const [x] = inputs;
  const device = arithmetic[context.device];
  switch (layer.kind) {
    case 'conv2d':
    case 'linear':
      return dotProduct(layer, x, exact, weights, context);
    case 'lrn':
      return lrnBounds(layer.attributes, x, exact, device, context.runningSum);
    case 'mapnorm':
      return mapnormBounds(layer.attributes, x, exact, device);
    case 'avgpool':
    case 'adaptiveavgpool':
      return average(layer, x, device);
    case 'softmax':
      return softmaxBounds(x, exact, device);
    case 'tanh':
    case 'sigmoid':
      return saturating(layer.kind, exact, device);
    case 'dropout':
      return scaled(layer.attributes, exact, device);
    default:
      return flushedOnly(exact, device);
  }
}

/** Copies, comparisons and maxima are exact, up to a flushed subnormal. */
function flushedOnly(exact: Tensor, device: DeviceArithmetic): Bounds {
  return { bound: new Float64Array(dense(exact).length).fill(device.flushes ? MIN_NORMAL : 0) };
}

/** One product: y = (1 − ratio)·x, the factor itself rounded unless it is a power of two. */
function scaled(
  { ratio, convention }: ops.dropout.Attributes,
  exact: Tensor,
  device: DeviceArithmetic,
): Bounds {
  if (convention === 'inverted') return flushedOnly(exact, device);
  const underflow = device.flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
  const rounding = Math.log2(1 - ratio) % 1 === 0 ? 0 : gamma(2);
  return { bound: new Float64Array(dense(exact)).map((y) => rounding * Math.abs(y) + underflow) };
}

/** Σ|w·x|, Σ(w·x)² and the number of products, of a layer's output and the device's operands. */
function dotProduct(layer: Layer, x: Tensor, exact: Tensor, weights: Weights, context: Context): Bounds {
  const terms = context.terms(layer, x, weights);
  const [w, b] = [weights.get(`${layer.name}.weight`)!, weights.get(`${layer.name}.bias`)];
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

export function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > max) max = Math.abs(values[i]);
  return max;
}

/**
 * m additions and a division, or products with rounded reciprocals (in one or two steps): γ_{m+4} and the division's
 * error, of Σ|x|/d; each of the products may underflow.
 */
function average(
  layer: Layer & { kind: 'avgpool' | 'adaptiveavgpool' },
  x: Tensor,
  device: DeviceArithmetic,
): Bounds {
  const absolute = map(x, Math.abs);
  const mean =
    layer.kind === 'avgpool'
      ? ops.avgpool.forward(absolute, layer.attributes).y
      : ops.adaptiveavgpool.forward(absolute, layer.attributes).y;
  const m =
    layer.kind === 'avgpool'
      ? layer.attributes.kernel[0] * layer.attributes.kernel[1]
      : x.shape[2] * x.shape[3];
  const relative = gamma(m + 4 + device.divide);
  const underflow = (m + 2) * (device.flushes ? MIN_NORMAL : HALF_SUBNORMAL);
  return { bound: Float64Array.from(dense(mean), (value) => relative * value + underflow) };
}

/**
 * tanh within its licence, absolute near 0 where the device divides exponentials; the logistic function as exp and
 * a division, or as ½ + ½·tanh(x/2), absolute near 0.
 */
function saturating(kind: 'tanh' | 'sigmoid', exact: Tensor, device: DeviceArithmetic): Bounds {
  const tiny = (kind === 'tanh' ? device.tanhNearZero : device.tanh) * U32 + 2 * MIN_NORMAL;
  return { bound: new Float64Array(dense(exact)).map((y) => device.tanh * U32 * Math.abs(y) + tiny) };
}
