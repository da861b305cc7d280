/**
 * What a run lost since a report that --report-json saved: accuracy, that is, not values, which may change. docs/ci.md
 * gives the reasons.
 *
 * Layers with products: effective bits, −½·log₂ of the mean of n squared errors. Over other inputs that mean varies by
 * √((κ − 1)/n) of itself, hence the bits by √((κ − 1)/n)/(2 ln 2); κ = 9 allows for tails as heavy as those
 * of a product of two normal numbers; five such standard deviations may be lost. So may one bit for the width
 * of SIMD: from 16 lanes to 4 partial sums are four times as long, and random errors grow with the square
 * root. And where the products' share of Σ(w·x)² + b² has grown s-fold, their errors have grown √s-fold
 * beside it: ½·log₂ s bits.
 *
 * Other layers, on the same device: the largest error over bound may grow eightfold, as the bound follows the values.
 * What copies or selects must stay exact. Softmax' bound follows the values least: it counts from an eighth
 * of the bound on, the others from 1/64.
 */
import type { Kind } from '../../reference/networks/layers.ts';
import { readText } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import type { Verdict } from '../judge/judge.ts';
import type { LayerRow, Verification } from '../verify/verification.ts';
import { ratio } from './table.ts';

interface Measure {
  readonly verdict: Verdict;
  /**
   * Effective bits; null without products, and where the bias dominates: then they tell nothing about the
   * products.
   */
  readonly bits: number | null;
  readonly overBound: number | null;
}

/** A layer's measure and what it depends on. */
export interface Entry {
  readonly measure: Measure;
  /** Extents without the batch. */
  readonly shape: string;
  /** Share of the products in Σ(w·x)² + b². */
  readonly share: number;
}

interface Baseline {
  readonly file: string;
  readonly network: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly layers: ReadonlyMap<string, Entry>;
}

/** A saved report. The file may be anything: throws InputError, naming it, if it is none. */
export async function readBaseline(file: string): Promise<Baseline> {
  const text = await readText(file);
  try {
    return parse(file, JSON.parse(text));
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it is not JSON' : (error as Error).message;
    throw new InputError(`${file}: no report of alexnet verify --report-json: ${reason}`);
  }
}

function parse(file: string, value: unknown): Baseline {
  const { version, network, device, versions, layers } = record(value);
  if (version !== 1) throw new Error(`its version is ${JSON.stringify(version)}, this program reads 1`);
  if (typeof network !== 'string' || typeof device !== 'string' || !Array.isArray(layers)) {
    throw new Error('network, device or layers are missing');
  }
  const entries = layers.map((item: unknown): [string, Entry] => {
    const { layer, verdict, introduced, shape, details } = record(item);
    if (typeof layer !== 'string') throw new Error('a layer has no name');
    if (!['pass', 'suspicious', 'fail', 'untested'].includes(String(verdict)))
      throw new Error(`${layer} has no verdict`);
    const { bits, arithmetic, overBound } = introduced === null ? {} : record(introduced);
    if (!Array.isArray(shape)) throw new Error(`${layer} has no shape`);
    const measure = {
      verdict: verdict as Verdict,
      bits: arithmetic === 'undetermined' ? null : numberOr(bits, layer),
      overBound: numberOr(overBound, layer),
    };
    const share = details === null || details === undefined ? null : numberOr(record(details).share, layer);
    return [layer, { measure, shape: shape.slice(1).join('×'), share: share ?? 1 }];
  });
  const strings = Object.entries(record(versions ?? {})).map(([k, v]) => [k, v === null ? null : String(v)]);
  return { file, network, device, versions: Object.fromEntries(strings), layers: new Map(entries) };
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Error('an object is missing');
}

/** "Infinity" and "NaN" are how the report writes what JSON has no number for. */
function numberOr(value: unknown, layer: string): number | null {
  if (value === null || value === undefined) return null;
  const number = typeof value === 'string' && /^(-?Infinity|NaN)$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number')
    throw new Error(`${layer} has ${JSON.stringify(value)} where a number stands`);
  return number;
}

/** The same of a layer of this run. */
function entryOf({ verdict, introduced, shape, details }: LayerRow): Entry {
  const bits = introduced?.arithmetic === 'undetermined' ? null : (introduced?.bits ?? null);
  const measure = { verdict, bits, overBound: introduced?.overBound ?? null };
  return { measure, shape: shape.slice(1).join('×'), share: details?.share ?? 1 };
}

/** Bits that another width of SIMD alone may cost. */
const LANES = 1;
/** Bits of correctly rounded float32 results, u/√3: no kernel has to keep more. */
const ROUNDED = 24.8;
/** How much a largest error over bound may grow. */
const GROWTH = 8;

const exact: ReadonlySet<string> = new Set<Kind>(['relu', 'maxpool', 'flatten', 'split', 'concat']);

export interface Change {
  readonly layer: string;
  /** null: the layer is not in the baseline, or not in this run. */
  readonly before: Measure | null;
  readonly now: Measure | null;
  /** One line: what was lost; empty if nothing was. */
  readonly lost: string;
}

export interface Difference {
  readonly file: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string | null>>;
  /** Layers that lost accuracy. */
  readonly lost: readonly string[];
  readonly layers: readonly Change[];
}

/** Bits that n values may lose for no other reason than chance, SIMD and a share of products grown `share`-fold. */
export const margin = (n: number, share = 1): number =>
  LANES + (5 * Math.sqrt(8 / n)) / (2 * Math.LN2) + 0.5 * Math.log2(Math.max(1, share));

/** What changed since the baseline. Throws InputError where it is of another network, or of other widths. */
export function sinceBaseline(baseline: Baseline, { network, device, layers }: Verification): Difference {
  const { file, versions } = baseline;
  if (baseline.network !== network)
    throw new InputError(`${file}: it is a report on ${baseline.network}, not on ${network}`);
  const changes = layers.map((row): Change => {
    const before = baseline.layers.get(row.layer);
    const now = entryOf(row);
    if (!before) return { layer: row.layer, before: null, now: now.measure, lost: '' };
    if (before.shape !== now.shape)
      throw new InputError(`${file}: its ${row.layer} is ${before.shape}, here it is ${now.shape}`);
    const lost = lossOf(row, before, now, baseline.device === device);
    return { layer: row.layer, before: before.measure, now: now.measure, lost };
  });
  const here = new Set(layers.map(({ layer }) => layer));
  for (const [layer, { measure }] of baseline.layers) {
    if (!here.has(layer)) changes.push({ layer, before: measure, now: null, lost: 'no longer compared' });
  }
  const lost = changes.filter((change) => change.lost !== '').map(({ layer }) => layer);
  return { file, device: baseline.device, versions, lost, layers: changes };
}

function lossOf({ kind, introduced }: LayerRow, before: Entry, now: Entry, sameDevice: boolean): string {
  if (before.measure.overBound === null) return '';
  if (!introduced || now.measure.overBound === null) return 'no longer compared';
  if (introduced.bits !== null) {
    return lostBits(
      before.measure.bits,
      now.measure.bits,
      margin(introduced.count, now.share / before.share),
    );
  }
  return sameDevice ? grown(kind, before.measure.overBound, now.measure.overBound) : '';
}

function lostBits(before: number | null, now: number | null, allowed: number): string {
  if (before === null || now === null || !(Math.min(before, ROUNDED) - now > allowed)) return '';
  return `${now.toFixed(1)} effective bits, ${before.toFixed(1)} in the baseline (${allowed.toFixed(1)} may be lost)`;
}

function grown(kind: string, before: number, now: number): string {
  const least = exact.has(kind) ? 0 : kind === 'softmax' ? 1 / GROWTH : 1 / 64;
  // written so that NaN counts as a loss
  if (now <= GROWTH * Math.max(before, least)) return '';
  const was = before === 0 ? 'exact' : ratio(before);
  return `error/bound ${ratio(now)}, ${was} in the baseline`;
}
