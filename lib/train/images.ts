/** The training and the validation images of a data set, their order, and their colours. */
import { createHash } from 'node:crypto';
import { addPlanar, type Colours, colours, moments } from '../../reference/input/pca.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { streamOf, words } from '../../reference/random.ts';
import { inGroups } from '../classify/pipeline.ts';
import { type Dataset, type Split, spread, subset, thinned } from '../data/dataset.ts';
import { openPool } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import { inOrder } from '../runtime/threads.ts';
import type { Unread } from './unread.ts';

/** Share of the images that is held out for validation where the data have no part for it. */
const HELD_OUT = 0.1;

export interface Parts {
  readonly train: Split;
  /** null where there are too few images to hold any out. */
  readonly validation: Split | null;
  readonly notes: readonly string[];
}

/**
 * train, and val or else test. Where one of them is missing, a tenth of the images, drawn by the seed, is
 * held out. Throws InputError if there is nothing to train on.
 */
export function partsOf(data: Dataset, seed: number, images?: number, validationImages?: number): Parts {
  const { splits, path } = data;
  const train = splits.get('train') ?? splits.get('all');
  if (!train)
    throw new InputError(`${path}: there are no training images (${[...splits.keys()].join(', ')} alone)`);
  const other = splits.get('val') ?? splits.get('test');
  if (other) {
    return { train: thinned(train, images), validation: thinned(other, validationImages), notes: [] };
  }
  const order = orderOf(seed, 'train.held-out', 0, train.count);
  const held = Math.floor(HELD_OUT * train.count);
  if (held === 0) return { train: thinned(train, images), validation: null, notes: ['no validation images'] };
  return {
    train: thinned(subset(train, order.subarray(held).toSorted()), images),
    validation: thinned(subset(train, order.subarray(0, held).toSorted()), validationImages),
    notes: [`${path} has no validation images: ${held} of ${train.count} are held out`],
  };
}

/** SHA-256 of classes and labels: whether a run that is resumed sees the same images in the same order. */
export function fingerprint({ classes }: Dataset, { train }: Parts): string {
  const labels = new Uint16Array(train.count).map((_, i) => train.label(i));
  const hash = createHash('sha256').update(JSON.stringify(classes)).update(new Uint8Array(labels.buffer));
  return `${train.count} ${hash.digest('hex').slice(0, 32)}`;
}

/**
 * The numbers 0 … count − 1 in the order of an epoch (Fisher and Yates' shuffle): words epoch·count … of
 * stream `name`.
 */
export function orderOf(seed: number, name: string, epoch: number, count: number): Uint32Array {
  const order = new Uint32Array(count).map((_, i) => i);
  const random = words(seed, streamOf(name), count, epoch * count);
  for (let i = count - 1; i > 0; i--) {
    // a word as a whole number 0 ≤ j ≤ i
    const j = Math.floor((random[i] * (i + 1)) / 0x100000000);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Decoding files takes long, bytes that are at hand do not: this many of each are looked at, spread evenly. */
const SAMPLE = { file: 1000, planes: 20_000 } as const;
const GROUP = 16;

/**
 * Mean and covariance of the colours of a split's squares, or of a sample of them: for the mean to subtract, and the
 * principal components that lighting varies (section 4.1). Pictures that cannot be read do not count. Rejects with
 * InputError where that ends the run, and where no picture is left.
 */
export async function coloursOf(
  split: Split,
  unread: Unread,
  preprocess: Preprocess,
  threads?: number,
): Promise<Colours> {
  const sample = spread(split.count, 'file' in split.picture(0) ? SAMPLE.file : SAMPLE.planes);
  await using pool = openPool({ form: 'square', preprocess }, { threads });
  const sums = moments();
  let last = '';
  const prepared = inOrder(inGroups(sample, GROUP), 4 * pool.threads, async (group) => ({
    group,
    results: await pool.prepare(group.map(split.picture)),
  }));
  for await (const { group, results } of prepared) {
    for (const [n, result] of results.entries()) {
      if ('data' in result) addPlanar(sums, result.data as Uint8Array, result.shape[1] * result.shape[2]);
      else unread.add({ part: 'training', index: group[n], error: (last = result.error) });
    }
  }
  if (sums.pixels === 0) throw new InputError(`${last} (no picture whose colours were wanted can be read)`);
  return colours(sums);
}
