/** Bounds of the operations that normalise: LRN, normalisation within maps, softmax. */
import * as ops from '../../reference/ops/index.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  HALF_SUBNORMAL_16,
  MIN_NORMAL,
  U16,
  U32,
} from './arithmetic.ts';
import {
  type BackwardPass,
  type Bounds,
  type BoundsContext,
  type ForwardPass,
  halfStep,
  type LayersOf,
  largest,
  type OfInput,
  type OperationBounds,
  promised,
  rounded,
  underflow,
} from './bounds.ts';

/** x is off by 1 ± δ and, where it is subnormal, by η; the sum of squares (and so s) by at most (1 ± δ)². */
function scaledInput({ kind, attributes }: Normalising, { inputs: [x], exact }: ForwardPass): OfInput {
  const { beta } = attributes;
  const Y = dense(exact);
  const { denominators } = kind === 'lrn' ? ops.lrn : ops.mapnorm;
  const s = denominators(x, attributes as ops.lrn.Attributes); // mapnorm's are some of them
  const ofSum = (1 - U16) ** (-2 * beta);
  return (i) => ((1 + U16) * ofSum - 1) * Math.abs(Y[i]) + HALF_SUBNORMAL_16 * s[i] ** -beta * ofSum;
}

export const lrn: OperationBounds<'lrn'> = {
  forward: ({ attributes }, { inputs: [x], exact }, { device, runningSum, band = false }) =>
    lrnBounds(attributes, x, exact, arithmetic[device], { runningSum, band }),
  ofInput: scaledInput,
  backward: normalised,
};

export const mapnorm: OperationBounds<'mapnorm'> = {
  forward({ attributes }, { inputs: [x], exact }, { device }) {
    const s = ops.mapnorm.denominators(x, attributes);
    return normalisation(attributes.size ** 2, attributes, s, exact, arithmetic[device]);
  },
  ofInput: scaledInput,
  backward: normalised,
};

export const softmax: OperationBounds<'softmax'> = {
  forward: (_, { inputs: [x], exact }, { device }) => softmaxBounds(x, exact, arithmetic[device]),
  ofInput: (_, { inputs: [x], exact }) => softmaxOfInput(x, exact),
  // y·(dy − Σdy·y): K products and their sum, a difference, a product
  backward(_, { y, dy }, _exact, { device }) {
    const [N, K] = y.shape;
    const Y = dense(y);
    const DY = dense(dy);
    const magnitude = new Float64Array(N * K);
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = n * K; k < (n + 1) * K; k++) sum += Math.abs(DY[k] * Y[k]);
      for (let k = n * K; k < (n + 1) * K; k++) magnitude[k] = Math.abs(Y[k]) * (Math.abs(DY[k]) + sum);
    }
    return [rounded(magnitude, K + 3, arithmetic[device])];
  },
};

type Normalising = LayersOf<'lrn' | 'mapnorm'>;

interface Normaliser {
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** x and ŷ (N,C,H,W). */
function lrnBounds(
  attributes: ops.lrn.Attributes,
  x: Tensor,
  exact: Tensor,
  device: DeviceArithmetic,
  form: Pick<Required<BoundsContext>, 'runningSum' | 'band'>,
): Bounds {
  const s = ops.lrn.denominators(x, attributes);
  if (form.runningSum && attributes.groups === 1) return runningSum(attributes, x, s, exact, device);
  const bounds = normalisation(attributes.size, attributes, s, exact, device);
  return form.band ? withOverflows(x, bounds) : bounds;
}

/** A band matrix multiplies what is outside of a window by 0: an infinite square is NaN in every channel. */
function withOverflows(x: Tensor, bounds: Bounds): Bounds {
  const X = dense(x);
  const [N, C, H, W] = x.shape;
  const HW = H * W;
  const bound = bounds.bound.slice();
  for (let i = 0; i < N * C * HW; i++) {
    if (X[i] * X[i] <= FLOAT32_MAX) continue;
    const pixel = i - (i % (C * HW)) + (i % HW);
    for (let c = 0; c < C; c++) bound[pixel + c * HW] = Number.POSITIVE_INFINITY;
  }
  return {
    bound,
    anyOrder: bounds.bound,
    named: 'a band matrix makes 0·∞, NaN, of the squares outside of a window',
  };
}

/**
 * Relative error of x·s^−β in the decomposed form, for each s of `n` squares; ∞ where a sum may overflow. An
 * underflowing square costs at most α·2⁻¹²⁶ of s, its product with α, as in a band matrix, 2⁻¹²⁶.
 */
function normaliserError(
  n: number,
  { alpha, beta, k }: Normaliser,
  s: Float64Array,
  device: DeviceArithmetic,
): Float64Array {
  const ofSum = powered(gamma(n + 4 + device.divide), beta);
  return s.map((v) => {
    if (!overflowFree((v - k) / alpha)) return Number.POSITIVE_INFINITY;
    return ofSum + (beta * n * (alpha + 1) * MIN_NORMAL) / v + powerError(v, beta, device);
  });
}

/** Largest relative error of s^−β where s itself is off by the relative error ε. */
const powered = (epsilon: number, beta: number): number =>
  epsilon < 1 ? (1 - epsilon) ** -beta - 1 : Number.POSITIVE_INFINITY;

/**
 * Relative error of x·s^−β besides that of s: the power, as pow or as Sqrt, Sqrt and Reciprocal (a square root passes
 * half of the error inside it), the last product or quotient, and β rounded to float32, which counts by ln s.
 */
function powerError(s: number, beta: number, device: DeviceArithmetic): number {
  const roots = 1.5 * device.sqrt + device.divide + 1;
  const ofBeta = Math.expm1(Math.abs((Math.fround(beta) - beta) * Math.log(s)));
  return (Math.max(device.pow(s, -beta), roots) + 1 + device.divide) * U32 + ofBeta;
}

/** Whether a sum of squares stays well below float32's largest number. */
const overflowFree = (sum: number): boolean => sum < FLOAT32_MAX / 64;

/**
 * y = x·s^−β with s = k + α′·Σx², n squares in any order: all terms are positive, so s has the relative error γ_{n+4}
 * (square, n − 1 additions, α′ and its product, k) and that of an average's division.
 */
function normalisation(
  n: number,
  attributes: Normaliser,
  s: Float64Array,
  exact: Tensor,
  device: DeviceArithmetic,
): Bounds {
  const Y = dense(exact);
  const tiny = device.flushes ? 3 * MIN_NORMAL : HALF_SUBNORMAL;
  const relative = normaliserError(n, attributes, s, device);
  const bound = relative.map((error, i) =>
    error === Number.POSITIVE_INFINITY ? error : Math.abs(Y[i]) * error + tiny,
  );
  return { bound };
}

/**
 * onnxruntime's CPU kernel (onnxruntime/core/providers/cpu/nn/lrn.cc) keeps s as a running sum: it adds the
 * square that enters the window and subtracts the one that leaves it. Over channels 0…c that is a recursive
 * sum of at most 1 + n + 2c terms with two roundings each, so its error is at most γ_{3+n+2c}·(k + 2α′·Σ of
 * all squares so far), however small s is by then.
 */
function runningSum(
  attributes: ops.lrn.Attributes,
  x: Tensor,
  s: Float64Array,
  exact: Tensor,
  device: DeviceArithmetic,
): Bounds {
  const { size, alpha, beta, k, divide } = attributes;
  const scale = divide ? alpha / size : alpha;
  const [N, C, H, W] = x.shape;
  const HW = H * W;
  const X = dense(x);
  const Y = dense(exact);
  const anyOrder = normalisation(size, attributes, s, exact, device).bound;
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

/**
 * y_k = e^(x_k − m) / Σ e^(x_j − m). Numerator: the difference is rounded (|x_k − m|·u in the exponent), exp
 * adds its own error. Denominator: the mean of those errors weighted by y, and γ_K. Probabilities under 2⁻¹²⁶
 * may become 0, or already where an engine's exponential does.
 */
export function softmaxBounds(x: Tensor, exact: Tensor, device: DeviceArithmetic): Bounds {
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
      bound[n * K + k] = Y[n * K + k] * (relative[k] + common) * (1 + common) + 2 * device.leastExp;
  }
  return { bound };
}

/** Every exponent x − m moves by at most twice the largest rounding, numerator and sum alike. */
export function softmaxOfInput(x: Tensor, exact: Tensor): OfInput {
  const Y = dense(exact);
  const relative = Math.expm1(4 * halfStep(largest(dense(x))));
  return (i) => relative * Y[i];
}

/**
 * y_k = z_k − L, z = x − m, L = log Σ e^z; or x − (m + L). Σ has softmax's relative error of its terms and additions,
 * an absolute one of L beside the logarithm's own; then one rounding each of z, of m + L and of y.
 */
export function logSoftmaxBounds(x: Tensor, exact: Tensor, device: DeviceArithmetic): Bounds {
  const [N, K] = x.shape;
  const X = dense(x);
  const Y = dense(exact);
  const bound = new Float64Array(Y.length);
  for (let n = 0; n < N; n++) {
    const row = n * K;
    let m = Number.NEGATIVE_INFINITY;
    let weighted = gamma(K);
    for (let k = 0; k < K; k++) m = Math.max(m, X[row + k]);
    for (let k = 0; k < K; k++) {
      const distance = m - X[row + k];
      const p = Math.exp(Y[row + k]);
      if (p > 0) weighted += p * Math.expm1((distance + device.exp(distance)) * U32);
    }
    for (let k = 0; k < K; k++) {
      const z = X[row + k] - m;
      const log = Math.max(0, z - Y[row + k]);
      const roundings = device.log(log) + Math.abs(z) + Math.abs(m) + log + Math.abs(Y[row + k]);
      bound[row + k] = weighted / (1 - weighted) + roundings * U32 * (1 + 4 * weighted);
    }
  }
  return { bound: bound.map((limit, i) => (Number.isFinite(Y[i]) ? limit : 0)) };
}

/** No y moves by more than the difference of two x: the logarithm of the sum by at most the largest rounding. */
export const logSoftmaxOfInput = (x: Tensor): OfInput => {
  const most = 2 * halfStep(largest(dense(x)));
  return () => most;
};

/**
 * dx = t − F·x·Σⱼ vⱼ with t = dy/s^β, v = t·x/s, F = 2α′β, as export/emit/normalise.ts composes it (the sum an average
 * over the windows that hold the value). Let ρ be the relative error of dy·s^−β in the decomposed forward
 * form, σ = γ_{n+4+d} that of s. Then t is off by ρ, v by ρ and σ and a product and a quotient, F·x·Σv by v's
 * error and n − 1 additions, the average's division and three products, dx by one more rounding of |t| +
 * |F·x|·Σ|v|. Backward of |dy| and |x| is the difference of those two terms, and of |dy| and 0 the first alone.
 */
function normalised(
  { kind, attributes }: Normalising,
  { inputs: [x], dy }: BackwardPass,
  _: readonly Tensor[],
  context: BoundsContext,
): readonly Bounds[] {
  const device = arithmetic[context.device];
  const { alpha, beta, size, divide } = attributes;
  const n = kind === 'lrn' ? size : size * size;
  const { denominators, inputGradient } = kind === 'lrn' ? ops.lrn : ops.mapnorm;
  const all = attributes as ops.lrn.Attributes; // mapnorm's are some of them
  const s = denominators(x, all);
  const sigma = gamma(n + 4 + device.divide);
  const after = gamma(n + 6 + 2 * device.divide);
  const rho = normaliserError(n, attributes, s, device);
  const weighted = new Float64Array(dense(dy)).map(
    (d, i) => Math.abs(d) * ((1 + rho[i]) * (1 + sigma / (1 - sigma)) * (1 + after) * (1 + U32) - 1),
  );
  const w = tensor(weighted, dy.shape);
  const back = (f: (v: number) => number) => dense(inputGradient(w, map(x, f), s, all, 'float64'));
  const direct = back(() => 0);
  const difference = back(Math.abs);
  const factor = 2 * beta * (divide ? alpha / n : alpha);
  const tiny = lost(dense(x), s, [factor, n], underflow(device));
  const bound = new Float64Array(direct).map((t, i) => promised(2 * t - difference[i]) + tiny[i]);
  return [{ bound }];
}

/** What τ lost in each of t, t·x, v, their mean and F·mean, or F·v in a band matrix, does to dx. */
function lost(
  X: ArrayLike<number>,
  s: Float64Array,
  [factor, n]: readonly [number, number],
  tau: number,
): Float64Array {
  const smallest = s.reduce((least, v) => Math.min(least, v), Number.POSITIVE_INFINITY);
  const through = n * ((largest(X) + 1) / smallest + 1) + n;
  return new Float64Array(X).map((x) => tau * (3 + Math.abs(x) * (n + factor * through)));
}
