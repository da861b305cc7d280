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
import type { Held, Start } from './start.ts';

export interface Gathered {
  readonly start: Start;
  /** By name: weights, mean, photo; what reads HDF5, where it need not be in the page. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Paths that were read. */
  readonly read: readonly string[];
}

/** Rejects with InputError for what cannot be read, a photo that cannot be decoded among it. */
export async function gather(photo: string | undefined, asked: Choice, held: Held): Promise<Gathered> {
  const choice = boxed(asked);
  const { network, weights, source, random, classes, notes } = await resolve(choice);
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
      notes,
      weights: random ? { seed, init } : held,
      mean: mean && held,
      photo: photo === undefined ? null : { name: basename(photo), at: held },
    },
    files,
    read: [given, photo, mean?.file].filter((path) => path !== undefined),
  };
}
