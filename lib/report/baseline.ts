/** Reads a report that --report-json saved, as far as a later run is compared with it. The file may be anything. */
import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import type { Verdict } from '../judge/judge.ts';
import type { LayerRow } from '../verify/verify.ts';

export interface Measure {
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

export interface Baseline {
  readonly file: string;
  readonly network: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string | null>>;
  readonly layers: ReadonlyMap<string, Entry>;
}

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
export function entryOf({ verdict, introduced, shape, details }: LayerRow): Entry {
  const bits = introduced?.arithmetic === 'undetermined' ? null : (introduced?.bits ?? null);
  const measure = { verdict, bits, overBound: introduced?.overBound ?? null };
  return { measure, shape: shape.slice(1).join('×'), share: details?.share ?? 1 };
}
