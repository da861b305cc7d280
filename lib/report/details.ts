/**
 * What a report shows of one layer besides the verdict: how its errors are distributed, in ULP of the result and over
 * the bound, in which channels and where in the plane, and the worst elements.
 */
import { dense, sizeOf, type Tensor } from '../../reference/tensor.ts';
import type { Bounds } from '../verify/bounds.ts';
import { difference, elementAt, overRatio, type Worst } from '../verify/compare.ts';

/** counts[i] values lie in (edges[i−1], edges[i]]; the first are ≤ edges[0], the last beyond all edges. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Largest error over bound in each block of a plane: `shape` blocks in row-major order, `per` positions each. */
export interface Blocks {
  readonly shape: readonly [number, number];
  readonly per: readonly [number, number];
  readonly overBound: readonly number[];
}

export interface Details {
  /** Errors in ULP of ŷ in the format that the device stores; 0.5 is correctly rounded. */
  readonly ulps: Histogram;
  /** Errors over their bounds. */
  readonly overBound: Histogram;
  /** Elements for which no bound can be promised; they are in no histogram. */
  readonly unbounded: number;
  /** Largest error over bound of each channel, or of each `per` channels; null where there is no channel axis. */
  readonly channels: { readonly per: number; readonly overBound: readonly number[] } | null;
  /** The same by position, over all images and channels; null where there is no plane. */
  readonly positions: Blocks | null;
  /** Mean share of the products in Σ(w·x)² + b²; null without products. */
  readonly share: number | null;
  /** At most ten, by error over bound, then by error. */
  readonly worst: readonly Worst[];
}

/** Most entries of `channels`, and most blocks along one axis of `positions`. */
const CHANNELS = 384;
const BLOCKS = 16;
const WORST = 10;

const powers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => 2 ** (from + i));
const ULP_EDGES = [0, ...powers(-1, 24)];
const BOUND_EDGES = [0, ...powers(-24, 8)];

/**
 * Details of one layer: y is the device's, exact is ŷ; `half` if y is stored as float16. Shapes must agree.
 */
export function layerDetails(y: Tensor, exact: Tensor, bounds: Bounds, half: boolean): Details {
  const Y = dense(y);
  const E = dense(exact);
  const errors = Float64Array.from(Y, (value, i) => difference(value, E[i]));
  // NaN: nothing is promised
  const ratios = errors.map((error, i) => {
    const ratio = overRatio(error, bounds.bound[i], Number.isNaN(Y[i]) && bounds.named !== undefined);
    return bounds.bound[i] === Number.POSITIVE_INFINITY && !(ratio > 1) ? Number.NaN : ratio;
  });
  const bounded = ratios.filter((ratio) => !Number.isNaN(ratio));
  const inUlps = errors.map((error, i) => (Number.isNaN(ratios[i]) ? Number.NaN : error / ulp(E[i], half)));
  return {
    ulps: histogram(inUlps, ULP_EDGES),
    overBound: histogram(bounded, BOUND_EDGES),
    unbounded: ratios.length - bounded.length,
    channels: channelsOf(ratios, y.shape),
    positions: positionsOf(ratios, y.shape),
    share: shareOf(bounds.squares),
    worst: highest(ratios, errors).map((i) => elementAt(i, y, E, bounds.bound)),
  };
}

/** Spacing of float32 (float16 if `half`) numbers at x: the unit in the last place. */
export function ulp(x: number, half = false): number {
  const [digits, least] = half ? [10, -24] : [23, -149];
  const magnitude = Math.abs(x);
  if (!(magnitude > 0) || magnitude === Number.POSITIVE_INFINITY) return 2 ** least;
  let exponent = Math.floor(Math.log2(magnitude));
  // log2 rounds: just below a power of two it gives the power's own exponent
  if (2 ** exponent > magnitude) exponent--;
  return 2 ** Math.max(least, exponent - digits);
}

/** NaN is left out. */
function histogram(values: Float64Array, edges: readonly number[]): Histogram {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    let [low, high] = [0, edges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= edges[middle]) high = middle;
      else low = middle + 1;
    }
    counts[low]++;
  }
  return { edges, counts };
}

/** The largest ratio of each channel: axis 1 of (N,C,…). */
function channelsOf(ratios: Float64Array, shape: readonly number[]): Details['channels'] {
  if (shape.length < 2) return null;
  const [, C, ...plane] = shape;
  const HW = sizeOf(plane);
  const per = Math.max(1, Math.ceil(C / CHANNELS));
  const overBound = new Float64Array(Math.ceil(C / per));
  for (let i = 0; i < ratios.length; i++) {
    const c = Math.floor(i / HW) % C;
    raise(overBound, Math.floor(c / per), ratios[i]);
  }
  return { per, overBound: compact(overBound) };
}

/** The largest ratio of each block of the plane of (N,C,H,W). */
function positionsOf(ratios: Float64Array, shape: readonly number[]): Details['positions'] {
  const [, , H, W] = shape;
  if (shape.length !== 4 || H * W === 1) return null;
  const per = [Math.max(1, Math.ceil(H / BLOCKS)), Math.max(1, Math.ceil(W / BLOCKS))] as const;
  const blocks = [Math.ceil(H / per[0]), Math.ceil(W / per[1])] as const;
  const overBound = new Float64Array(blocks[0] * blocks[1]);
  for (let i = 0; i < ratios.length; i++) {
    const [row, column] = [Math.floor(i / W) % H, i % W];
    raise(overBound, Math.floor(row / per[0]) * blocks[1] + Math.floor(column / per[1]), ratios[i]);
  }
  return { shape: blocks, per, overBound: compact(overBound) };
}

/** Over the elements that have products. */
function shareOf(squares: Bounds['squares']): number | null {
  if (!squares) return null;
  let [sum, count] = [0, 0];
  for (const [i, products] of squares.products.entries()) {
    if (!(products > 0 && squares.total[i] < Number.POSITIVE_INFINITY)) continue;
    sum += products / squares.total[i];
    count++;
  }
  return count === 0 ? null : sum / count;
}

function raise(values: Float64Array, at: number, value: number): void {
  if (value > values[at]) values[at] = value;
}

/** Four digits: they are for the eye, and there are many. */
const compact = (values: Float64Array): number[] => Array.from(values, (v) => Number(v.toPrecision(4)));

/** Positions of the highest ratios above 0, the highest first; among equals those of the largest errors. */
function highest(ratios: Float64Array, errors: Float64Array): number[] {
  const found: number[] = [];
  const above = (a: number, b: number): boolean =>
    ratios[a] > ratios[b] || (ratios[a] === ratios[b] && errors[a] > errors[b]);
  for (let i = 0; i < ratios.length; i++) {
    if (!(ratios[i] > 0) || (found.length === WORST && !above(i, found[WORST - 1]))) continue;
    let at = found.length;
    while (at > 0 && above(i, found[at - 1])) at--;
    found.splice(at, 0, i);
    found.length = Math.min(found.length, WORST);
  }
  return found;
}
