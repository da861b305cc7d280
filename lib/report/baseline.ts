/**
 * Compares a run with a saved one (`--report-json`): what counts is accuracy that was lost, not values that changed.
 *
 * Effective bits are −½·log₂ of the mean of n squared errors. Over other inputs that mean varies by √((κ − 1)/n) of
 * itself, hence the bits by √((κ − 1)/n)/(2 ln 2); κ = 9 allows for tails as heavy as those of a product of two normal
 * numbers. A layer may lose five such standard deviations (one false alarm in 3·10⁶ layers), and one bit besides: from
 * 4 lanes to 16 or back (SSE to AVX-512) partial sums are four times as long, and random errors grow with the square root.
 *
 * Error over bound is a maximum: it may grow by three bits (eightfold), but not from nothing.
 */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import type { Verdict } from '../verify/compare.ts';
import type { Verification } from '../verify/verify.ts';
import { ratio } from './words.ts';

/** Bits that another width of SIMD alone may cost. */
export const LANES = 1;
/** How much a maximal error over bound may grow. */
export const GROWTH = 8;

export interface Measure {
  readonly verdict: Verdict;
  readonly bits: number | null;
  readonly overBound: number | null;
}

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

export interface Baseline {
  readonly file: string;
  readonly network: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly layers: ReadonlyMap<string, Measure>;
}

/** Bits that n values may lose without a reason other than chance and the width of SIMD. */
export const margin = (n: number): number => LANES + (5 * Math.sqrt(8 / n)) / (2 * Math.LN2);

/** A saved report. Throws InputError, naming the file, if it is none. */
export async function readBaseline(file: string): Promise<Baseline> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    const known: Record<string, string> = { ENOENT: 'there is no such file', EISDIR: 'it is a folder' };
    throw new InputError(`${file}: ${known[error.code ?? ''] ?? error.message}`);
  });
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
  const measures = layers.map((item: unknown): [string, Measure] => {
    const { layer, verdict, introduced } = record(item);
    if (typeof layer !== 'string') throw new Error('a layer has no name');
    if (!['pass', 'suspicious', 'fail', 'untested'].includes(String(verdict)))
      throw new Error(`${layer} has no verdict`);
    const { bits, arithmetic, overBound } = introduced === null ? {} : record(introduced);
    return [
      layer,
      {
        verdict: verdict as Verdict,
        bits: bitsUnless(arithmetic, numberOr(bits, layer)),
        overBound: numberOr(overBound, layer),
      },
    ];
  });
  const strings = Object.entries(record(versions ?? {})).map(([k, v]) => [k, v === null ? null : String(v)]);
  return { file, network, device, versions: Object.fromEntries(strings), layers: new Map(measures) };
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

/** What changed since the baseline. Throws InputError where it is of another network. */
export function difference(baseline: Baseline, { network, layers }: Verification): Difference {
  const { file, device, versions } = baseline;
  if (baseline.network !== network)
    throw new InputError(`${file}: it is a report on ${baseline.network}, not on ${network}`);
  const changes = layers.map(({ layer, verdict, introduced }): Change => {
    const before = baseline.layers.get(layer) ?? null;
    const bits = bitsUnless(introduced?.arithmetic, introduced?.bits ?? null);
    const now = { verdict, bits, overBound: introduced?.overBound ?? null };
    return { layer, before, now, lost: before ? lossOf(before, now, introduced?.count ?? 0) : '' };
  });
  const here = new Set(layers.map(({ layer }) => layer));
  for (const [layer, before] of baseline.layers) {
    if (!here.has(layer)) changes.push({ layer, before, now: null, lost: 'no longer compared' });
  }
  const lost = changes.filter((change) => change.lost !== '').map(({ layer }) => layer);
  return { file, device, versions, lost, layers: changes };
}

function lossOf(before: Measure, now: Measure, count: number): string {
  if (before.overBound === null) return '';
  if (now.overBound === null) return 'no longer compared';
  if (before.bits !== null && now.bits !== null) {
    const allowed = margin(count);
    if (before.bits - now.bits > allowed)
      return `${now.bits.toFixed(1)} effective bits, ${before.bits.toFixed(1)} in the baseline (${allowed.toFixed(1)} may be lost)`;
  }
  if (before.overBound === 0 && now.overBound > 0)
    return `error/bound ${ratio(now.overBound)}, exact in the baseline`;
  // written so that NaN counts as a loss
  return now.overBound <= GROWTH * before.overBound
    ? ''
    : `error/bound ${ratio(now.overBound)}, ${ratio(before.overBound)} in the baseline`;
}

/** Where the bias dominates, the bits tell nothing about the products. */
const bitsUnless = (arithmetic: unknown, bits: number | null): number | null =>
  arithmetic === 'undetermined' ? null : bits;
