/** Which preprocessing --preprocess means. */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { networks } from '../../reference/networks/index.ts';
import { readText } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { about } from '../format/source.ts';
import { formatPreprocess, parsePreprocess } from '../weights/preprocess.ts';

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
