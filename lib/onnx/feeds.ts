/** What an ONNX graph is fed from the command line: NAME=FILE words, .npy or .npz. */
import { InputError } from '../errors.ts';
import { openTensors } from '../format/open.ts';
import { fromArray } from './npz.ts';
import type { Value } from './value.ts';

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
  const opened = await openTensors(file);
  try {
    const [first] = opened.tensors.values();
    const array = opened.tensors.size === 1 ? first : opened.tensors.get(name);
    const names = [...opened.tensors.keys()].join(', ');
    if (!array) throw new InputError(`${file}: there is no array '${name}' (there are: ${names})`);
    return fromArray(array.read());
  } finally {
    opened.close();
  }
}
