/**
 * One step's random part and images, ready for the graph. Runs in any thread; depends on the seed and the
 * step's number alone.
 */
import { type Augmentation, type Draws, draw } from '../../reference/input/augment.ts';
import type { Principal } from '../../reference/input/pca.ts';
import { centreOffset } from '../../reference/input/preprocess.ts';
import type { Picture } from '../data/dataset.ts';
import { type MaskSpec, maskOf } from './random.ts';
import { type Cache, putSquare, type SquareSpec } from './squares.ts';

export interface FeedSpec extends SquareSpec {
  readonly seed: number;
  readonly batch: number;
  readonly how: Augmentation;
  /** Without: the centre of every picture. */
  readonly augmented: boolean;
  readonly colours?: Principal;
  readonly masks: readonly MaskSpec[];
  readonly cache?: Cache;
}

/** A step to be assembled. */
export interface StepJob {
  /** Of the whole run, from 0. */
  readonly step: number;
  /** Number of its first image among all that the training sees. */
  readonly first: number;
  readonly lighting: boolean;
  /** Numbers in the split, and where those are that no cache holds. */
  readonly indices: readonly number[];
  readonly pictures: readonly (Picture | null)[];
}

/** The graph's inputs for one step, but for labels and learning rate. */
export interface StepFeed {
  /** (N,3,S,S). */
  readonly images: Uint8Array<ArrayBuffer>;
  readonly offsets: Int32Array;
  readonly mirrored: Uint8Array;
  readonly light: Float32Array;
  /** In the order of `masks`. */
  readonly masks: readonly Uint8Array<ArrayBuffer>[];
}

/** Assembles a step, or says in one line which picture cannot be used. */
export async function assemble(spec: FeedSpec, job: StepJob): Promise<StepFeed | { readonly error: string }> {
  const wide = spec.side + 2 * spec.pad;
  const size = 3 * wide * wide;
  const images = new Uint8Array(spec.batch * size);
  for (const [n, index] of job.indices.entries()) {
    const out = images.subarray(n * size, (n + 1) * size);
    const error = await putSquare(out, index, job.pictures[n], spec, spec.cache);
    if (error !== undefined) return { error };
  }
  const masks = spec.masks.map((mask) => maskOf(spec.seed, mask, job.step));
  return { images, ...drawsOf(spec, job, wide), masks };
}

function drawsOf(spec: FeedSpec, { first, lighting }: StepJob, wide: number): Draws {
  const { seed, batch, how, colours } = spec;
  if (spec.augmented) {
    return draw(seed, first, batch, wide, lighting ? how : { ...how, lighting: 'none' }, colours);
  }
  const centre = centreOffset(wide, how.crop, spec.preprocess.crop.offset);
  return {
    offsets: new Int32Array(2 * batch).fill(centre),
    mirrored: new Uint8Array(batch),
    light: new Float32Array(3 * batch),
  };
}
