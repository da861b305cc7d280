/**
 * What is known of a layer whose own inputs nobody has: its result ŷ from the oracle's values for them, and how far a
 * right device may be from it. Each missing layer adds its own rounding to what the layers before it have carried on:
 *
 * - sums of products   Σ|w|·s; deviations are independent, so √(Σw²·σ²)
 * - ReLU, max-pool …   1-Lipschitz: the largest s among what is read; averages and moves as they average and move
 * - LRN                s·d₋^−β + |x|·|d₊₋^−β − d^−β|, d₊₋ the sums of squares of |x| ± s
 * - softmax            pᵢ goes with e^t, t = sᵢ + max s, against all others: p(1 − p)(e^t − 1)/(1 + p(e^t − 1))
 *
 * A bound is relative to magnitudes that may have moved too, which adds less than MOVED of what they moved by.
 */
import * as ops from '../../reference/ops/index.ts';
import { runLayer } from '../../reference/oracle.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import * as fast from '../fast/index.ts';
import { type BoundsContext, type Judged, type LayerCall, loosened } from './bounds.ts';
import { judgedOutput } from './operations.ts';
import { FALSE_ALARM } from './products.ts';

/** How far the device's own value may be from the one that is taken for it. */
export interface Doubt {
  /** Never farther than this. */
  readonly bound: Tensor;
  /** One standard deviation of what it should be. */
  readonly deviation: Tensor;
}

/** The largest relative error of one operation: of products of bfloat16. */
export const MOVED = 2 ** -6;

/**
 * What doubts in a layer's inputs make of its result. `doubts`: one an input, undefined where it is the device's own;
 * `stored`: the largest relative error of how the result is written down.
 */
export function judgedInDoubt(
  call: LayerCall,
  doubts: readonly (Doubt | undefined)[],
  context: BoundsContext,
  stored = 0,
): Judged {
  const judged = judgedOutput(call, context);
  const { exact } = judged;
  const Y = dense(exact);
  const written = (i: number): number => stored * Math.abs(Y[i]);
  const bounds = stored === 0 ? judged.bounds : loosened(judged.bounds, written);
  if (doubts.every((doubt) => doubt === undefined)) return { exact, bounds };
  const own = ownDeviation(judged, context).map((deviation, i) => deviation + written(i));
  const zero = (i: number): Tensor => map(call.inputs[i], () => 0);
  const of = (part: keyof Doubt) => doubts.map((doubt, i) => doubt?.[part] ?? zero(i));
  const { bound } = carry(call, exact, of('bound'));
  const { deviation } = carry(call, exact, of('deviation'));
  return inDoubt({ exact, bounds }, own, { bound, deviation });
}

interface Carried {
  readonly bound: ArrayLike<number>;
  readonly deviation: ArrayLike<number>;
}

/** A result whose operands are in doubt: what comes of that is `carried`; `own`: one deviation of its own rounding. */
export function inDoubt({ exact, bounds }: Judged, own: Float64Array, carry: Carried): Judged {
  const { bound: carried, deviation: moved } = carry;
  const accumulated = own.map((deviation, i) => Math.hypot(deviation, moved[i]));
  // each element of M beyond so many deviations with a probability of FALSE_ALARM/M
  const lambda = Math.sqrt(2 * Math.log((2 * exact.size) / FALSE_ALARM));
  const { bound, expectation, squares, anyOrder } = bounds;
  const wider = (limit: number, i: number): number => limit + (1 + MOVED) * carried[i];
  return {
    exact,
    bounds: {
      ...bounds,
      bound: bound.map(wider),
      ...(anyOrder && { anyOrder: anyOrder.map(wider) }),
      expectation: bound.map((limit, i) =>
        Math.min(wider(limit, i), (expectation ?? bound)[i] + lambda * moved[i]),
      ),
      deviation: accumulated,
      ...(squares && { squares: { ...squares, noise: accumulated } }),
      accumulated,
    },
  };
}

/** What a layer's result leaves open for the layers behind it, where the device's own is not known. */
export function doubtOf(judged: Judged, context: BoundsContext): Doubt {
  const { exact, bounds } = judged;
  const deviation = bounds.accumulated ?? ownDeviation(judged, context);
  return { bound: tensor(bounds.bound, exact.shape), deviation: tensor(deviation, exact.shape) };
}

/**
 * Of products what one accumulator makes, and where operands are rounded to 1 ± t what these errors do: 2t of each
 * product, independent, or all of one sign where hardware truncates. Of all else the bound.
 */
function ownDeviation({ exact, bounds }: Judged, { operands: { t } }: BoundsContext): Float64Array {
  const { squares, anyOrder, bound } = bounds;
  if (!squares) return anyOrder ?? bound;
  const Y = dense(exact);
  return squares.noise.map((noise, i) =>
    Math.hypot(noise, 2 * t * (Math.sqrt(squares.total[i]) + Math.abs(Y[i]))),
  );
}

/** A doubt `s` in the inputs, behind the layer: at most, and where it is a deviation. */
function carry(call: LayerCall, exact: Tensor, s: readonly Tensor[]): Carried {
  const { layer, inputs, weights } = call;
  const [x] = inputs;
  const same = (bound: ArrayLike<number>) => ({ bound, deviation: bound });
  switch (layer.kind) {
    case 'conv2d':
    case 'linear': {
      const operands = [s[0], weights.get(`${layer.name}.weight`) as Tensor];
      const { magnitude, squares } =
        layer.kind === 'conv2d' ? fast.conv2d.terms(operands, layer.attributes) : fast.linear.terms(operands);
      return { bound: dense(magnitude), deviation: dense(squares).map(Math.sqrt) };
    }
    case 'lrn':
      return same(
        ofNormaliser(x, s[0], layer.attributes.beta, (t) => ops.lrn.denominators(t, layer.attributes)),
      );
    case 'mapnorm':
      return same(
        ofNormaliser(x, s[0], layer.attributes.beta, (t) => ops.mapnorm.denominators(t, layer.attributes)),
      );
    case 'softmax':
      return same(ofSoftmax(s[0], exact));
    case 'relu':
    case 'tanh':
    case 'sigmoid':
      return same(dense(s[0]));
    default:
      // linear with weights of one sign, or a maximum: what it makes of s ≥ 0
      return same(dense(runLayer(layer, s, weights, 'float64', fast.operations)));
  }
}

function ofNormaliser(
  x: Tensor,
  s: Tensor,
  beta: number,
  denominators: (t: Tensor) => Float64Array,
): Float64Array {
  const X = dense(x);
  const S = dense(s);
  const at = (f: (x: number, s: number) => number): Float64Array =>
    denominators(
      tensor(
        new Float64Array(X).map((v, i) => f(Math.abs(v), S[i])),
        x.shape,
      ),
    ).map((d) => d ** -beta);
  const here = at((v) => v);
  const least = at((v, off) => Math.max(0, v - off));
  const most = at((v, off) => v + off);
  return here.map(
    (power, i) => S[i] * least[i] + Math.abs(X[i]) * Math.max(least[i] - power, power - most[i]),
  );
}

function ofSoftmax(s: Tensor, exact: Tensor): Float64Array {
  const [N, K] = exact.shape;
  const S = dense(s);
  const P = dense(exact);
  const off = new Float64Array(N * K);
  for (let n = 0; n < N; n++) {
    const row = n * K;
    let most = 0;
    for (let k = row; k < row + K; k++) most = Math.max(most, S[k]);
    for (let k = row; k < row + K; k++) {
      // 1 − p, where that does not cancel
      const rest = P[k] < 0.5 ? 1 - P[k] : sumOf(P, row, k) + sumOf(P, k + 1, row + K);
      const t = S[k] + most;
      if (t === 0 || P[k] === 0 || rest === 0) continue;
      const up = 1 / (1 / Math.expm1(t) + P[k]);
      const down = 1 / (-1 / Math.expm1(-t) - P[k]);
      off[k] = P[k] * rest * Math.max(up, down);
    }
  }
  return off;
}

function sumOf(values: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i];
  return sum;
}
