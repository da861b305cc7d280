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

export interface Bounds {
  /** Tier 1: |y − ŷ| beyond this is a fault. ∞ where nothing can be promised. */
  readonly bound: Float64Array;
  /** Tier 2, convolutions and linear layers: beyond this is suspicious. */
  readonly expectation?: Float64Array;
  /** Tier 3's denominator, Σ(w·x)² + b², and its part Σ(w·x)². */
  readonly squares?: { readonly total: Float64Array; readonly products: Float64Array };
  /** Where `bound` is that of one engine's algorithm: its name, and the bound that any other would keep. */
  readonly named?: string;
  readonly anyOrder?: Float64Array;
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
  if (context.half) {
    // the result is rounded to float16 once more; its subnormals are spaced 2⁻²⁴
    const y = dense(exact);
    for (let i = 0; i < y.length; i++) {
      const rounding = 2 ** -11 * Math.abs(y[i]) + 2 ** -25;
      result.bound[i] += rounding;
      if (result.expectation) result.expectation[i] += rounding;
    }
  }
  return result;
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
      return dotProduct(layer, x, weights, context);
    case 'lrn':
      return context.runningSum && layer.attributes.groups === 1
        ? runningSum(layer, x, exact, device)
        : normalisation(layer.attributes.size, layer, x, exact, device);
    case 'mapnorm':
      return normalisation(layer.attributes.size ** 2, layer, x, exact, device);
    case 'avgpool':
    case 'adaptiveavgpool':
      return average(layer, x, device);
    case 'softmax':
      return softmax(x, exact, device);
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
  return { bound: Float64Array.from(dense(exact), (y) => rounding * Math.abs(y) + underflow) };
}

/**
 * m products and a bias, any order: γ_{m+1}·(Σ|w·x| + |b|) + τ (Higham, section 3.1), plus 2t·Σ|w·x| where operands are
 * rounded to fewer bits, plus the oracle's own γ with u = 2⁻⁵³.
 * Expectation: λ√n·u·Σ|w·x| with n = m + 1 roundings (Higham and Mary 2019, theorem 2.4).
 */
function dotProduct(layer: Layer, x: Tensor, weights: Weights, context: Context): Bounds {
  const { magnitude, squares, count } = context.terms(layer, x, weights);
  const mag = dense(magnitude);
  const total = Float64Array.from(dense(squares));
  const w = dense(weights.get(`${layer.name}.weight`)!);
  const b = weights.get(`${layer.name}.bias`);
  const t = context.operands.t;
  const relative = gamma(count + 1) + gamma(count + 1, U64) + 2 * t + t * t;
  const underflow = arithmetic[context.device].flushes
    ? count * MIN_NORMAL * (2 + largest(w) + largest(dense(x)))
    : count * HALF_SUBNORMAL;
  const lambda = Math.sqrt(2 * Math.log((2 * (count + 1) * mag.length) / FALSE_ALARM));
  const expected = lambda * Math.sqrt(count + 1) * U32 + 2 * t;
  const bound = new Float64Array(mag.length);
  const expectation = new Float64Array(mag.length);
  for (let i = 0; i < mag.length; i++) {
    // a partial sum may overflow although the sum does not
    bound[i] = mag[i] < FLOAT32_MAX / 2 ? relative * mag[i] + underflow : Number.POSITIVE_INFINITY;
    expectation[i] = Math.min(bound[i], expected * mag[i] + underflow);
  }
  return { bound, expectation, squares: { total, products: withoutBias(total, magnitude.shape, b) } };
}

function withoutBias(total: Float64Array, shape: readonly number[], b: Tensor | undefined): Float64Array {
  if (!b) return total;
  const B = dense(b);
  const [, K, ...rest] = shape;
  const PQ = rest.reduce((product, extent) => product * extent, 1);
  return total.map((value, i) => Math.max(0, value - B[Math.floor(i / PQ) % K] ** 2));
}

function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]) > max) max = Math.abs(values[i]);
  return max;
}

/** Largest relative error of s^−β where s itself is off by the relative error ε. */
const powered = (epsilon: number, beta: number): number =>
  epsilon < 1 ? (1 - epsilon) ** -beta - 1 : Number.POSITIVE_INFINITY;

/**
 * Relative error of x·s^−β besides that of s: the power, as pow or as Sqrt, Sqrt and Reciprocal (a square root passes
 * half of the error inside it), and the last product or quotient.
 */
function powerError(s: number, beta: number, device: DeviceArithmetic): number {
  const roots = 1.5 * device.sqrt + device.divide + 1;
  return (Math.max(device.pow(s, -beta), roots) + 1 + device.divide) * U32;
}

/** Whether a sum of squares stays well below float32's largest number. */
const overflowFree = (sum: number): boolean => sum < FLOAT32_MAX / 64;

/**
 * y = x·s^−β with s = k + α′·Σx², n squares in any order: all terms are positive, so s has the relative error γ_{n+4}
 * (square, n − 1 additions, α′ and its product, k) and that of an average's division.
 */
function normalisation(
  n: number,
  layer: Layer & { kind: 'lrn' | 'mapnorm' },
  x: Tensor,
  exact: Tensor,
  device: DeviceArithmetic,
): Bounds {
  const { alpha, beta, k } = layer.attributes;
  const s =
    layer.kind === 'lrn'
      ? ops.lrn.forward(x, layer.attributes).s
      : ops.mapnorm.forward(x, layer.attributes).s;
  const Y = dense(exact);
  const ofSum = powered(gamma(n + 4 + device.divide), beta);
  const tiny = device.flushes ? 3 * MIN_NORMAL : HALF_SUBNORMAL;
  const bound = new Float64Array(Y.length);
  for (let i = 0; i < Y.length; i++) {
    // squares that underflow: at most n·2⁻¹²⁶ of them, times α′, against s
    const ofSquares = (beta * n * alpha * MIN_NORMAL) / s[i];
    bound[i] = Math.abs(Y[i]) * (ofSum + ofSquares + powerError(s[i], beta, device)) + tiny;
    if (!overflowFree((s[i] - k) / alpha)) bound[i] = Number.POSITIVE_INFINITY;
  }
  return { bound };
}

/**
 * onnxruntime's CPU kernel (onnxruntime/core/providers/cpu/nn/lrn.cc) keeps s as a running sum: it adds the square that
 * enters the window and subtracts the one that leaves it. Over channels 0…c that is a recursive sum of at most
 * 1 + n + 2c terms with two roundings each, so its error is at most γ_{3+n+2c}·(k + 2α′·Σ of all squares so far),
 * however small s is by then.
 */
function runningSum(
  layer: Layer & { kind: 'lrn' },
  x: Tensor,
  exact: Tensor,
  device: DeviceArithmetic,
): Bounds {
  const { size, alpha, beta, k, divide } = layer.attributes;
  const scale = divide ? alpha / size : alpha;
  const [N, C, H, W] = x.shape;
  const HW = H * W;
  const X = dense(x);
  const Y = dense(exact);
  const { s } = ops.lrn.forward(x, layer.attributes);
  const anyOrder = normalisation(size, layer, x, exact, device).bound;
  const bound = anyOrder.slice();
  for (let n = 0; n < N; n++) {
    for (let p = 0; p < HW; p++) {
      let soFar = 0;
      let next = 0;
      for (let c = 0; c < C; c++) {
        for (const last = Math.min(C - 1, c + size - 1); next <= last; next++)
          soFar += X[(n * C + next) * HW + p] ** 2;
        const i = (n * C + c) * HW + p;
        const epsilon = (gamma(3 + size + 2 * c) * (k + 2 * scale * soFar)) / s[i];
        const relative = powered(epsilon, beta) + powerError(s[i], beta, device);
        // beyond ε = 1 the kernel's s may be negative and its result NaN, even where x = 0
        bound[i] =
          epsilon < 1
            ? Math.max(bound[i], Math.abs(Y[i]) * relative + HALF_SUBNORMAL)
            : Number.POSITIVE_INFINITY;
      }
    }
  }
  return { bound, anyOrder, named: "onnxruntime's CPU kernel keeps a running sum over channels" };
}

/** m additions and a division, or a product with the rounded reciprocal: γ_{m+2} and the division's error, of Σ|x|/d. */
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
  const relative = gamma(m + 2 + device.divide);
  const underflow = device.flushes ? (m + 2) * MIN_NORMAL : HALF_SUBNORMAL;
  return { bound: Float64Array.from(dense(mean), (value) => relative * value + underflow) };
}

/**
 * y_k = e^(x_k − m) / Σ e^(x_j − m). Numerator: the difference is rounded (|x_k − m|·u in the exponent), exp adds its own
 * error. Denominator: the mean of those errors weighted by y, and γ_K. Probabilities under 2⁻¹²⁶ may become 0.
 */
function softmax(x: Tensor, exact: Tensor, device: DeviceArithmetic): Bounds {
  const [N, K] = x.shape;
  const X = dense(x);
  const Y = dense(exact);
  const bound = new Float64Array(Y.length);
  for (let n = 0; n < N; n++) {
    const relative = new Float64Array(K);
    let m = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < K; k++) m = Math.max(m, X[n * K + k]);
    let weighted = 0;
    for (let k = 0; k < K; k++) {
      if (Y[n * K + k] === 0) continue; // ŷ = 0: e^−∞, or far below 2⁻¹²⁶
      const distance = m - X[n * K + k];
      relative[k] = Math.expm1((distance + device.exp(distance)) * U32);
      weighted += Y[n * K + k] * relative[k];
    }
    const common = weighted + gamma(K + device.divide + 1);
    for (let k = 0; k < K; k++)
      bound[n * K + k] = Y[n * K + k] * (relative[k] + common) * (1 + common) + 2 * MIN_NORMAL;
  }
  return { bound };
}

/**
 * tanh within its licence, absolute near 0 where the device divides exponentials; the logistic function as exp and
 * a division, or as ½ + ½·tanh(x/2), absolute near 0.
 */
function saturating(kind: 'tanh' | 'sigmoid', exact: Tensor, device: DeviceArithmetic): Bounds {
  const tiny = (kind === 'tanh' ? device.tanhNearZero : device.tanh) * U32 + 2 * MIN_NORMAL;
  return { bound: Float64Array.from(dense(exact), (y) => device.tanh * U32 * Math.abs(y) + tiny) };
}
