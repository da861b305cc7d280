/** Preprocessing as it travels with weights: one JSON text under the metadata key 'preprocess'. */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { InputError } from '../errors.ts';

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
