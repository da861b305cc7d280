/** Compares one layer's values on a device with the oracle's, element by element, and judges them. */
import { dense, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { FLOAT16_MAX, FLOAT32_MAX, type OperandRounding } from '../bounds/arithmetic.ts';
import type { Bounds, Judged, Squares } from '../bounds/bounds.ts';
import { NORMWISE } from '../bounds/normwise.ts';
import { indexOf, type Pattern, patternOf } from './pattern.ts';

/** pass; suspicious: beyond tier 2; fail; untested: the oracle's values are all the same, so nothing was tested. */
export type Verdict = 'pass' | 'suspicious' | 'fail' | 'untested';

export interface Worst {
  /** Position in the output, e.g. [n, k, p, q]. */
  readonly index: readonly number[];
  readonly device: number;
  readonly oracle: number;
  readonly error: number;
  readonly bound: number;
}

export interface Comparison {
  readonly verdict: Verdict;
  /** One line: why not `pass`; empty if it is. */
  readonly reason: string;
  /** max |y − ŷ|. */
  readonly maxError: number;
  /** ‖y − ŷ‖ / ‖ŷ‖. */
  readonly relativeError: number;
  /** max |y − ŷ| / bound. */
  readonly overBound: number;
  /** max |y − ŷ| / expectation. */
  readonly overExpectation: number | null;
  /** Tier 3; null where the operation has no products. */
  readonly bits: number | null;
  /** The arithmetic that the bits speak of; 'undetermined' where the bias dominates. */
  readonly arithmetic: 'float32' | 'tf32-or-float16' | 'bfloat16' | 'undetermined' | null;
  readonly worst: Worst | null;
  /** Name of an engine's own bound, where it was needed. */
  readonly named: string | null;
  /** Elements compared, and those beyond the bound. */
  readonly count: number;
  readonly beyond: number;
  /** How those lie; null where there are none. */
  readonly pattern: Pattern | null;
}

/**
 * y: the device's values; exact: ŷ, unrounded. What fails as a sum of products is judged as a convolution by
 * a transform, where it may be one: within that bound it is suspicious, under that name. Throws if their
 * shapes differ.
 */
export function judge(y: Tensor, { exact, bounds }: Judged, required: OperandRounding): Comparison {
  const asSum = orVanishing(compare(y, exact, bounds, required), y, exact, bounds);
  if (asSum.verdict !== 'fail' || !bounds.normwise || !bounds.squares) return asSum;
  const wider = bounds.normwise();
  const bound = bounds.bound.map((limit, i) => limit + wider.bound[i]);
  const total = bounds.squares.total.map((square, i) => Math.max(square, wider.squares[i]));
  const squares = { ...bounds.squares, total };
  const asTransform = compare(y, exact, { ...bounds, bound, squares }, required);
  if (asTransform.verdict === 'fail') return asSum;
  const reason = `${asSum.reason}; within another: ${NORMWISE}`;
  return { ...asTransform, verdict: 'suspicious', reason, named: NORMWISE };
}

/** Where 0 is within every bound, zeros tell nothing: values that are all but 0 are below float32's range. */
function orVanishing(found: Comparison, y: Tensor, exact: Tensor, bounds: Bounds): Comparison {
  const E = dense(exact);
  const bound = bounds.accumulated?.map((deviation) => SEQUENTIAL * deviation) ?? bounds.bound;
  const silent = dense(y).every((value) => value === 0) && E.some((value) => value !== 0);
  if ((found.verdict !== 'fail' && !silent) || found.beyond > 0 || found.count === 0) return found;
  if (!bound.every((limit, i) => Math.abs(E[i]) <= limit)) return found;
  return { ...found, verdict: 'untested', reason: 'too small to be told from 0: this tests nothing' };
}

function compare(y: Tensor, exact: Tensor, bounds: Bounds, required: OperandRounding): Comparison {
  if (y.shape.join() !== exact.shape.join()) {
    throw new Error(`shape [${y.shape}] on the device, [${exact.shape}] in the oracle`);
  }
  const Y = dense(y);
  const E = dense(exact);
  const { bound, expectation } = bounds;
  let maxError = 0;
  let overBound = 0;
  let overExpectation = 0;
  let beyond = 0;
  let worstAt = -1;
  let errorSquare = 0;
  let exactSquare = 0;
  let needed = false;
  let ownFaults = 0;
  let overflows = 0;
  let unbounded = 0;
  for (let i = 0; i < Y.length; i++) {
    const overflow = overflown(Y[i], E[i], bound[i], bounds);
    if (overflow) overflows++;
    const error = overflow ? 0 : distance(Y[i], E[i]);
    if (error > maxError) maxError = error;
    errorSquare += error * error;
    if (!overflow) exactSquare += E[i] * E[i];
    const ratio = overRatio(error, bound[i], Number.isNaN(Y[i]) && bounds.named !== undefined);
    if (ratio > overBound) {
      overBound = ratio;
      worstAt = i;
    }
    if (ratio > 1) beyond++;
    if (error > 0 && bound[i] === Number.POSITIVE_INFINITY) unbounded++;
    if (ratio > 1 && bound[i] === Number.POSITIVE_INFINITY) ownFaults++;
    if (bounds.anyOrder && error > bounds.anyOrder[i]) needed = true;
    if (expectation && error / expectation[i] > overExpectation) overExpectation = error / expectation[i];
  }
  const isBeyond = (i: number): boolean =>
    !overflown(Y[i], E[i], bound[i], bounds) &&
    overRatio(distance(Y[i], E[i]), bound[i], Number.isNaN(Y[i]) && bounds.named !== undefined) > 1;
  const bits = bounds.squares ? effectiveBits(Y, E, bounds) : null;
  const common = {
    maxError,
    relativeError: errorSquare === 0 ? 0 : Math.sqrt(errorSquare / exactSquare),
    overBound,
    overExpectation: expectation ? overExpectation : null,
    bits: bits?.value ?? null,
    arithmetic: bits?.arithmetic ?? null,
    worst: worstAt < 0 ? null : elementAt(worstAt, y, E, bound),
    named: needed ? (bounds.named ?? null) : null,
    count: Y.length,
    beyond,
    pattern: beyond > 0 ? patternOf(y.shape, isBeyond) : null,
  };
  const type = bounds.most === FLOAT16_MAX ? 'float16' : 'float32';
  const beyondType = `${OVERFLOWS}: the oracle's value, or a sum on the way, is beyond ${type} in ${overflows} of ${Y.length}`;
  const about = {
    ownFaults,
    unbounded,
    overflow: overflows > 0 ? beyondType : null,
    ...throughLayers(bounds, errorSquare, exactSquare),
  };
  return { ...verdictOf(Y, E, common, required, about), ...common };
}

/** How the reason of a value begins that is beyond its type. */
export const OVERFLOWS = 'overflows';

/** Whether a value is not a number where the oracle's is beyond what the device stores, or nothing is promised. */
function overflown(y: number, e: number, bound: number, { most = FLOAT32_MAX, named }: Bounds): boolean {
  if (Number.isFinite(y) || Object.is(y, e)) return false;
  if (bound === Number.POSITIVE_INFINITY) return named === undefined || !Number.isNaN(y);
  return Math.sign(y) === Math.sign(e) && Math.abs(e) + bound >= most;
}

type Measured = Omit<Comparison, 'verdict' | 'reason'>;

interface About {
  readonly ownFaults: number;
  readonly unbounded: number;
  readonly overflow: string | null;
  /** ‖y − ŷ‖ over what errors should add up to, where a bound through several layers says little. */
  readonly overAccumulated: number;
  /** Whether that is as much as the values themselves. */
  readonly drowned: boolean;
}

function throughLayers(
  { accumulated }: Bounds,
  errorSquare: number,
  exactSquare: number,
): Pick<About, 'overAccumulated' | 'drowned'> {
  if (!accumulated) return { overAccumulated: 0, drowned: false };
  const expected = SEQUENTIAL ** 2 * accumulated.reduce((sum, v) => sum + v * v, 0);
  const overAccumulated = errorSquare === 0 ? 0 : Math.sqrt(errorSquare / expected);
  return { overAccumulated, drowned: !(expected < exactSquare) };
}

function verdictOf(
  Y: ArrayLike<number>,
  E: ArrayLike<number>,
  measured: Measured,
  required: OperandRounding,
  { ownFaults, unbounded, overflow, overAccumulated, drowned }: About,
): Pick<Comparison, 'verdict' | 'reason'> {
  const { beyond, count, bits, overExpectation } = measured;
  if (count === 0) return { verdict: 'pass', reason: '' }; // shapes agree, and there is nothing else
  if (beyond > 0) {
    // what the engine's own algorithm loses explains a fault only where it promises nothing at all
    const whose = measured.named && ownFaults === beyond ? `; the engine's own fault: ${measured.named}` : '';
    return { verdict: 'fail', reason: `${beyond} of ${count} values beyond the bound${whose}` };
  }
  if (overAccumulated > 1)
    return {
      verdict: 'fail',
      reason: `${overAccumulated.toPrecision(3)} times what rounding errors up to here may add up to`,
    };
  const still = isConstant(E);
  const stuck = isConstant(Y);
  // where rounding explains that all are equal, they rightly are
  const tooFar = unbounded > 0 || (overExpectation ?? 0) > 1;
  if (!still && stuck && tooFar && count > 1 && overflow === null)
    return { verdict: 'fail', reason: 'constant on the device, not in the oracle' };
  if (bits !== null && bits < required.bits && measured.arithmetic !== 'undetermined') {
    return {
      verdict: 'fail',
      reason: `${bits.toFixed(1)} effective bits, ${required.name} has at least ${required.bits}`,
    };
  }
  if (overflow !== null) return { verdict: 'untested', reason: overflow };
  if (drowned && !still)
    return {
      verdict: 'untested',
      reason: 'rounding on the way here may be as large: too many layers are missing',
    };
  if (overExpectation !== null && overExpectation > 1) {
    return {
      verdict: 'suspicious',
      reason: `${overExpectation.toFixed(2)} times what rounding errors should add up to`,
    };
  }
  if (still && count > 1)
    return { verdict: 'untested', reason: `constant in the oracle (${E[0]}): this tests nothing` };
  return { verdict: 'pass', reason: '' };
}

/**
 * error / bound; nothing is promised where the bound is ∞, but a NaN that an engine's own algorithm makes is
 * a fault.
 */
export function overRatio(error: number, bound: number, ownNaN: boolean): number {
  if (error === 0) return 0;
  if (bound === Number.POSITIVE_INFINITY) return ownNaN ? Number.POSITIVE_INFINITY : 0;
  const ratio = error / bound;
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio;
}

/** |y − e|; −0 equals +0, equal infinities and NaN on both sides are 0, on one side ∞. */
export function distance(y: number, e: number): number {
  if (y === e) return 0;
  const error = Math.abs(y - e);
  if (!Number.isNaN(error)) return error;
  return Number.isNaN(y) && Number.isNaN(e) ? 0 : Number.POSITIVE_INFINITY;
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

/** Errors within so many times what one float32 accumulator makes say nothing about the operands. */
export const SEQUENTIAL = 3;

/**
 * −log₂ rms(err / √(‖w∘x‖² + b²)) over the elements with ‖w∘x‖ > 0: how many bits the products and sums kept.
 * 'undetermined' where the bias is over ten times ‖w∘x‖ (TF32 products would look like float32), and where a
 * plain float32 accumulator would do as badly (long sums of one sign).
 */
function effectiveBits(
  Y: ArrayLike<number>,
  E: ArrayLike<number>,
  { squares, bound }: Bounds,
): { value: number | null; arithmetic: Comparison['arithmetic'] } {
  const { total, products, noise } = squares as Squares;
  let sum = 0;
  let overNoise = 0;
  let share = 0;
  let count = 0;
  let biased = 0;
  for (let i = 0; i < Y.length; i++) {
    if (!(total[i] > 0 && total[i] < Number.POSITIVE_INFINITY && bound[i] < Number.POSITIVE_INFINITY))
      continue;
    if (!Number.isFinite(Y[i])) continue; // beyond its bound, or an overflow
    biased++;
    if (!(products[i] > 0)) continue;
    sum += (Y[i] - E[i]) ** 2 / total[i];
    overNoise += ((Y[i] - E[i]) / noise[i]) ** 2;
    share += products[i] / total[i];
    count++;
  }
  if (count === 0) return { value: null, arithmetic: biased > 0 ? 'undetermined' : null };
  const value = sum === 0 ? 53 : -0.5 * Math.log2(sum / count);
  if (value >= 15) return { value, arithmetic: share / count < 0.01 ? 'undetermined' : 'float32' };
  if (overNoise / count <= SEQUENTIAL ** 2) return { value, arithmetic: 'undetermined' };
  const rest = value < 10 ? withoutTruncation(Y, E, total, products) : null;
  if (rest !== null && rest >= 10) return { value: rest, arithmetic: 'tf32-or-float16' };
  return { value, arithmetic: value >= 10 ? 'tf32-or-float16' : 'bfloat16' };
}

/**
 * Hardware that truncates operands to TF32 shortens each product by up to 2⁻⁹, by 2⁻¹⁰ where significands are
 * uniform.
 */
const SHORTENED = 2 ** -9;

/**
 * The bits without the common factor by which truncated operands shorten every sum, which is not noise: it
 * would make long sums of one sign look like bfloat16. Null where the errors have no such factor.
 */
function withoutTruncation(
  Y: ArrayLike<number>,
  E: ArrayLike<number>,
  total: Float64Array,
  products: Float64Array,
): number | null {
  let errors = 0;
  let cross = 0;
  let squares = 0;
  let count = 0;
  for (let i = 0; i < Y.length; i++) {
    if (!(products[i] > 0 && total[i] < Number.POSITIVE_INFINITY)) continue;
    const error = Y[i] - E[i];
    errors += error ** 2 / total[i];
    cross += (error * E[i]) / total[i];
    squares += E[i] ** 2 / total[i];
    count++;
  }
  const factor = cross / squares;
  if (!(factor < 0 && factor > -SHORTENED)) return null;
  return -0.5 * Math.log2((errors - factor * cross) / count);
}

/** One element, its position in the tensor spelt out. */
export function elementAt(at: number, y: Tensor, E: ArrayLike<number>, bound: Float64Array): Worst {
  const device = dense(y)[at];
  const error = distance(device, E[at]);
  return { index: indexOf(at, y.shape), device, oracle: E[at], error, bound: bound[at] };
}

/** ‖y − o‖ / ‖o‖ of two tensors of one size: the accumulated error. ∞ where only one side is finite. */
export function relativeDifference(y: Tensor, o: Tensor): number {
  if (sizeOf(y.shape) !== sizeOf(o.shape)) return Number.POSITIVE_INFINITY;
  const Y = dense(y);
  const O = dense(o);
  let error = 0;
  let norm = 0;
  for (let i = 0; i < Y.length; i++) {
    error += distance(Y[i], O[i]) ** 2;
    norm += Number.isFinite(O[i]) ? O[i] * O[i] : 0;
  }
  return error === 0 ? 0 : Math.sqrt(error / norm);
}
