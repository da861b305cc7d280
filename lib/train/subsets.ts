/** The training and the validation images of a data set. */
import { createHash } from 'node:crypto';
import { type Dataset, type Split, splitOf } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { orderOf } from './random.ts';

/** Share of the images that is held out for validation where the data have no part for it. */
const HELD_OUT = 0.1;

/** Pictures `indices` of a split, numbered from 0. */
export function subset(split: Split, indices: ArrayLike<number>): Split {
  const labels = Array.from(indices, (i) => split.label(i));
  return splitOf(split.name, labels, (i) => split.picture(indices[i]));
}

/** `count` of them, spread evenly; all without a count. */
function thinned(split: Split, count: number | undefined): Split {
  if (count === undefined || count >= split.count) return split;
  return subset(
    split,
    Array.from({ length: count }, (_, i) => Math.floor((i * split.count) / count)),
  );
}

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
  const labels = Uint16Array.from({ length: train.count }, (_, i) => train.label(i));
  const hash = createHash('sha256').update(JSON.stringify(classes)).update(new Uint8Array(labels.buffer));
  return `${train.count} ${hash.digest('hex').slice(0, 32)}`;
}
