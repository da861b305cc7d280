/**
 * Preprocessing as it travels with weights, one JSON text under the metadata key 'preprocess', and as --preprocess
 * names it.
 */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { networks } from '../../reference/networks/index.ts';
import { readText } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { about } from '../format/source.ts';

export const formatPreprocess = (preprocess: Preprocess): string => JSON.stringify(preprocess);

type Check = (value: unknown) => boolean;
const oneOf =
  (...allowed: unknown[]): Check =>
  (value) =>
    allowed.includes(value);
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const numbers: Check = (value) => Array.isArray(value) && value.length <= 64 && value.every(Number.isFinite);
const record =
  (fields: Record<string, Check>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === Object.keys(fields).length &&
    Object.entries(fields).every(([key, check]) => check((value as Record<string, unknown>)[key]));

const fields: { readonly [K in keyof Preprocess]: Check } = {
  resize: record({ mode: oneOf('none', 'warp', 'shorter'), size: count }),
  crop: record({ size: count, offset: oneOf('floor', 'half-even') }),
  channels: oneOf('RGB', 'BGR'),
  range: oneOf(255, 1),
  mean: numbers,
  deviation: numbers,
  meanImage: oneOf('none', 'optional', 'required'),
};

/** The preprocessing that `text` describes. Throws InputError naming the step that is wrong. */
export function parsePreprocess(text: string): Preprocess {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`preprocess: no valid JSON: ${JSON.stringify(text.slice(0, 40))}`);
  }
  if (!record(fields)(value)) {
    const wrong = Object.entries(fields).find(
      ([key, check]) => !check((value as Record<string, unknown> | null)?.[key]),
    );
    throw new InputError(`preprocess: ${wrong ? `'${wrong[0]}' is wrong or missing` : 'unknown steps'}`);
  }
  const preprocess = value as Preprocess;
  if (preprocess.mean.length !== preprocess.deviation.length || preprocess.deviation.includes(0)) {
    throw new InputError("preprocess: 'mean' and 'deviation' must be as many, and no deviation 0");
  }
  return preprocess;
}

/** A network's own preprocessing by its name, or a JSON file of it; an object as it is. Rejects with InputError. */
export async function readPreprocess(given: string | Preprocess): Promise<Preprocess> {
  if (typeof given !== 'string') return parsePreprocess(formatPreprocess(given));
  const known = networks.find(({ name }) => name === given);
  if (known) return known.preprocess;
  const text = await readText(given).catch((error) => {
    throw error instanceof InputError
      ? new InputError(`${error.message}, and no network has this name`)
      : error;
  });
  return about(given, () => parsePreprocess(text));
}
