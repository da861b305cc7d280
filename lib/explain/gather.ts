/** What `alexnet explain` was asked for, as the page begins with it: weights as one file, the photo as it is. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { joined } from '../../export/wire.ts';
import { fromTensor } from '../array/value.ts';
import { safetensorsPieces } from '../format/safetensors.ts';
import { decodeImageSync } from '../image/decode.ts';
import { readPicture } from '../image/load.ts';
import { findMean } from '../image/mean.ts';
import { classCount, classNames } from '../labels/labels.ts';
import { type Choice, resolve } from '../networks/resolve.ts';
import { boxed } from '../weights/shipped.ts';
import { picturesOf } from './pictures.ts';
import type { Held, Start } from './start.ts';

export interface Gathered {
  readonly start: Start;
  /** By name: weights, mean, photo, pictures; what reads HDF5, where it need not be in the page. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Paths that were read. */
  readonly read: readonly string[];
}

export interface ExplainOptions extends Choice {
  /** A JPEG or PNG file; default: a photo that the program makes. */
  readonly image?: string;
  /** A folder of pictures, of which the page shows the nearest (figure 4). */
  readonly neighbours?: string;
  /** Told how many of them are computed. */
  readonly progress?: (done: number, total: number) => void;
}

/** Rejects with InputError for what cannot be read, a photo that cannot be decoded among it. */
export async function gather(
  { image: photo, neighbours, progress, ...asked }: ExplainOptions,
  held: Held,
): Promise<Gathered> {
  const choice = boxed(asked);
  const { network, weights, source, random, classes, notes } = await resolve(
    choice,
    neighbours !== undefined,
  );
  const given = typeof choice.weights === 'string' ? choice.weights : undefined;
  const mean = await findMean(network.preprocess, undefined, given);
  const files = new Map<string, Uint8Array>();
  if (!random) {
    const named = [...weights].map(([name, t]) => [name, fromTensor(t)] as const);
    files.set('weights', joined(safetensorsPieces(named)));
  }
  if (mean) files.set('mean', joined(safetensorsPieces([['mean', fromTensor(mean.image)]])));
  if (photo !== undefined) {
    const bytes = await readPicture(photo);
    decodeImageSync(bytes, photo);
    files.set('photo', bytes);
  }
  const pictures =
    neighbours === undefined
      ? undefined
      : await picturesOf({ network, weights, meanImage: mean?.image }, neighbours, progress);
  if (pictures) files.set('pictures', pictures.bytes);
  if (held === 'served')
    files.set('h5wasm.js', await readFile(new URL('../iife/h5wasm.js', import.meta.resolve('h5wasm'))));
  const { seed = 0, init = 'kaiming' } = choice;
  return {
    start: {
      network,
      source:
        given === undefined || source.startsWith(given)
          ? source.replace(given ?? '', basename(given ?? ''))
          : source,
      random,
      classes: classes ?? classNames(network.name, classCount(network)),
      notes: [...notes, ...(pictures?.notes ?? [])],
      weights: random ? { seed, init } : held,
      mean: mean && held,
      pictures: pictures ? held : null,
      photo: photo === undefined ? null : { name: basename(photo), at: held },
    },
    files,
    read: [given, photo, mean?.file].filter((path) => path !== undefined),
  };
}
