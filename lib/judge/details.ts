/**
 * What a report shows of one layer besides the verdict: how its errors are distributed, in ULP of the result and over
 * the bound, in which channels and where in the plane, and the worst elements.
 */
import { dense, sizeOf, type Tensor } from '../../reference/tensor.ts';
import type { Bounds } from '../bounds/bounds.ts';
import { distance, elementAt, overRatio, type Worst } from './judge.ts';

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

/** Powers of two that are the histograms' edges: the first and the last. */
const ULPS = [-1, 24] as const;
const RATIOS = [-24, 8] as const;

/**
 * Details of one layer: y is the device's, exact is ŷ; `half` if y is stored as float16. Shapes must agree.
 */
export function layerDetails(y: Tensor, exact: Tensor, bounds: Bounds, half: boolean): Details {
  const Y = dense(y);
  const E = dense(exact);
  const { bound } = bounds;
  const ulps = histogram(...ULPS);
  const overBound = histogram(...RATIOS);
  const ratios = new Float64Array(Y.length);
  let unbounded = 0;
  for (let i = 0; i < Y.length; i++) {
    const error = distance(Y[i], E[i]);
    const ratio = overRatio(error, bound[i], Number.isNaN(Y[i]) && bounds.named !== undefined);
    const promised = bound[i] !== Number.POSITIVE_INFINITY || ratio > 1;
    ratios[i] = promised ? ratio : Number.NaN;
    if (promised) {
      ulps.counts[cellOf(error === 0 ? 0 : error / ulp(E[i], half), ULPS)]++;
      overBound.counts[cellOf(ratio, RATIOS)]++;
    } else unbounded++;
  }
  return {
    ulps,
    overBound,
    unbounded,
    channels: channelsOf(ratios, y.shape),
    positions: positionsOf(ratios, y.shape),
    share: shareOf(bounds.squares),
    worst: highest(ratios, (i) => distance(Y[i], E[i])).map((i) => elementAt(i, y, E, bound)),
  };
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const HIGH = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Exponent of the largest power of two that is not above x, for normal numbers x > 0; below, −1023. */
function exponentOf(x: number): number {
  double[0] = x;
  return (words[HIGH] >>> 20) - 1023;
}

/** 2^e; `**` would take longer than all else here. */
const POWERS = new Float64Array(320).map((_, i) => 2 ** (i - 160));
const powerOf2 = (e: number): number => POWERS[e + 160] ?? 2 ** e;

/** Spacing of float32 (float16 if `half`) numbers at x: the unit in the last place. */
export function ulp(x: number, half = false): number {
  const digits = half ? 10 : 23;
  const least = half ? -24 : -149;
  const magnitude = Math.abs(x);
  if (!(magnitude < Number.POSITIVE_INFINITY)) return 2 ** least;
  return powerOf2(Math.max(least, exponentOf(magnitude) - digits));
}

/** Edges 0, 2^first … 2^last; nothing counted. */
function histogram(first: number, last: number): Histogram & { readonly counts: number[] } {
  const edges = [0, ...Array.from({ length: last - first + 1 }, (_, i) => 2 ** (first + i))];
  return { edges, counts: new Array<number>(edges.length + 1).fill(0) };
}

/** The cell of a value ≥ 0 between the edges 0, 2^first … 2^last. */
function cellOf(value: number, powers: readonly [first: number, last: number]): number {
  if (value === 0) return 0;
  const first = powers[0]; // taken apart by an iterator, this would be the slowest line
  const last = powers[1];
  const exponent = exponentOf(value);
  // a power of two is its cell's upper edge
  const above = value > powerOf2(exponent) ? exponent + 1 : exponent;
  return Math.min(Math.max(first, above), last + 1) - first + 1;
}

/** The largest ratio of each channel: axis 1 of (N,C,…). */
function channelsOf(ratios: Float64Array, shape: readonly number[]): Details['channels'] {
  if (shape.length < 2) return null;
  const [, C, ...plane] = shape;
  const HW = sizeOf(plane);
  const per = Math.max(1, Math.ceil(C / CHANNELS));
  const overBound = new Float64Array(Math.ceil(C / per));
  for (let map = 0, i = 0; i < ratios.length; map++) {
    const c = Math.floor((map % C) / per);
    for (const end = i + HW; i < end; i++) raise(overBound, c, ratios[i]);
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
  for (let line = 0, i = 0; i < ratios.length; line++) {
    const first = Math.floor((line % H) / per[0]) * blocks[1];
    for (let column = 0; column < W; column++, i++)
      raise(overBound, first + Math.floor(column / per[1]), ratios[i]);
  }
  return { shape: blocks, per, overBound: compact(overBound) };
}

/** Over the elements that have products. */
function shareOf(squares: Bounds['squares']): number | null {
  if (!squares) return null;
  let sum = 0;
  let count = 0;
  const { products, total } = squares;
  for (let i = 0; i < products.length; i++) {
    if (!(products[i] > 0 && total[i] < Number.POSITIVE_INFINITY)) continue;
    sum += products[i] / total[i];
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
function highest(ratios: Float64Array, errorOf: (i: number) => number): number[] {
  const found: number[] = [];
  const above = (a: number, b: number): boolean =>
    ratios[a] > ratios[b] || (ratios[a] === ratios[b] && errorOf(a) > errorOf(b));
  for (let i = 0; i < ratios.length; i++) {
    if (!(ratios[i] > 0) || (found.length === WORST && !above(i, found[WORST - 1]))) continue;
    let at = found.length;
    while (at > 0 && above(i, found[at - 1])) at--;
    found.splice(at, 0, i);
    found.length = Math.min(found.length, WORST);
  }
  return found;
}
