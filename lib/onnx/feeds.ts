/** What an ONNX graph is fed from the command line, NAME=FILE words of .npy or .npz, and what is written of it. */

import { sizeOf, type Tensor } from '../../reference/tensor.ts';
import { fromTensor, type NumericValue, narrowed, type Value, widened } from '../array/value.ts';
import { openTensorFile } from '../disk/tensors.ts';
import { InputError } from '../errors.ts';

/**
 * NAME=FILE words; a file of several arrays gives the one of that name. `only`: the name that a word without
 * one means. Throws InputError naming word or file.
 */
export async function readFeeds(words: readonly string[], only?: string): Promise<Map<string, Value>> {
  const feeds = new Map<string, Value>();
  for (const word of words) {
    const cut = word.indexOf('=');
    const named = cut > 0 || only === undefined;
    const [name, file] = named ? [word.slice(0, cut), word.slice(cut + 1)] : [only, word];
    if ((named && cut < 1) || file === '') throw new InputError(`--input ${word}: write NAME=FILE.npy`);
    if (feeds.has(name)) throw new InputError(`--input ${name} is given twice`);
    feeds.set(name, await readFeed(file, name));
  }
  return feeds;
}

async function readFeed(file: string, name: string): Promise<Value> {
  if (!/\.np[yz]$/i.test(file)) {
    throw new InputError(
      `${file}: a picture needs --network, which says how it is preprocessed; else give numbers, NAME=FILE.npy`,
    );
  }
  const opened = await openTensorFile(file);
  try {
    const [first] = opened.tensors.values();
    const array = opened.tensors.size === 1 ? first : opened.tensors.get(name);
    const names = [...opened.tensors.keys()].join(', ');
    if (!array) throw new InputError(`${file}: there is no array '${name}' (there are: ${names})`);
    return widened(array.read());
  } finally {
    opened.close();
  }
}

/** Values that are given in memory, as the evaluator takes them. Throws InputError naming one that is not a value. */
export function valuesOf(
  given: ReadonlyMap<string, Value | Tensor> | Readonly<Record<string, Value | Tensor>>,
): Map<string, Value> {
  const entries = given instanceof Map ? [...given] : Object.entries(given);
  return new Map(
    entries.map(([name, value]: [string, Value | Tensor]) => {
      const known = value && 'stride' in value ? fromTensor(value) : value;
      if (!Array.isArray(known?.shape) || sizeOf(known.shape) !== known.data?.length || !known.dtype)
        throw new InputError(
          `the input '${name}' must be a tensor, or {dtype, shape, data} of as many values`,
        );
      return [name, widened(known)];
    }),
  );
}

/**
 * A value as .npz holds it. What is held in float64 is written as such, unrounded; float16 as its bits; bfloat16,
 * for which NumPy has no type, as float32. Throws for strings.
 */
export function npzValue({ dtype, shape, data }: Value): NumericValue {
  if (dtype === 'string') throw new Error('strings cannot be written to .npz');
  if (data instanceof Float64Array) return { dtype: 'float64', shape, data };
  if (dtype === 'bfloat16') return { dtype: 'float32', shape, data: data as Float32Array };
  return narrowed({ dtype, shape, data } as NumericValue);
}
