/**
 * The images and the random part of each step, ready for the graph: assembled ahead in worker threads, long before
 * they are needed. What a step is depends on the seed and its number alone, never on the thread.
 */

import { performance } from 'node:perf_hooks';
import { type Augmentation, type Draws, draw } from '../../reference/input/augment.ts';
import type { Principal } from '../../reference/input/pca.ts';
import { centreOffset, type Preprocess } from '../../reference/input/preprocess.ts';
import { streamOf, words } from '../../reference/random.ts';
import type { Picture } from '../data/dataset.ts';
import { prepare } from '../data/pool.ts';
import { EnvironmentError } from '../errors.ts';
import { openThreads, startThread } from '../runtime/threads.ts';

export interface MaskSpec {
  /** The dropout layer. */
  readonly layer: string;
  /** Values of its input, for a batch. */
  readonly size: number;
  readonly ratio: number;
}

/**
 * What all steps have in common. Crops are cut from squares: 8-bit planes (3,S,S), RGB, with a border of the mean
 * colour where one is asked for.
 */
export interface FeedSpec {
  readonly preprocess: Preprocess;
  /** S without the border, and the border's width. */
  readonly side: number;
  readonly pad: number;
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
  /** What is made of it already, and the places where other pictures than then are to be. */
  readonly begun?: Pick<Unfinished, 'images' | 'places'>;
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

/** A step in which pictures could not be read, and why: one line for each of the places. */
export interface Unfinished {
  readonly images: Uint8Array<ArrayBuffer>;
  readonly places: readonly number[];
  readonly errors: readonly string[];
}

export async function assembleStep(spec: FeedSpec, job: StepJob): Promise<StepFeed | Unfinished> {
  const wide = spec.side + 2 * spec.pad;
  const size = 3 * wide * wide;
  const { images, places } = job.begun ?? {
    images: new Uint8Array(spec.batch * size),
    places: job.indices.keys(),
  };
  const unread: { place: number; error: string }[] = [];
  for (const n of places) {
    const square = await squareOf(job.indices[n], job.pictures[n], spec);
    if ('error' in square) unread.push({ place: n, error: square.error });
    else frame(images.subarray(n * size, (n + 1) * size), square, spec);
  }
  if (unread.length > 0)
    return { images, places: unread.map(({ place }) => place), errors: unread.map(({ error }) => error) };
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

/** The mask of step number `step`, 1 keep and 0 drop: words step·size … of stream 'dropout.<layer>'. */
export function maskOf(
  seed: number,
  { layer, size, ratio }: MaskSpec,
  step: number,
): Uint8Array<ArrayBuffer> {
  const random = words(seed, streamOf(`dropout.${layer}`), size, step * size);
  const limit = ratio * 0x100000000;
  return new Uint8Array(random.length).map((_, i) => (random[i] < limit ? 0 : 1));
}

/**
 * Squares in the order of the split, and whether each is there yet: shared by all threads, so that every picture is
 * decoded once. Two threads that write the same square write the same bytes.
 */
export interface Cache {
  readonly pixels: SharedArrayBuffer;
  readonly ready: SharedArrayBuffer;
}

/** A cache for `count` squares, or undefined where they would take more than `limit` bytes. */
export function cacheFor(count: number, side: number, limit = 2 ** 30): Cache | undefined {
  const bytes = count * 3 * side * side;
  if (bytes > limit) return undefined;
  return { pixels: new SharedArrayBuffer(bytes), ready: new SharedArrayBuffer(count) };
}

/** Whether picture number i is in the cache. */
export const isCached = (cache: Cache | undefined, i: number): boolean =>
  cache !== undefined && Atomics.load(new Uint8Array(cache.ready), i) === 1;

/** Picture number `index` as a square without its border, or one line that says why it cannot be used. */
async function squareOf(
  index: number,
  picture: Picture | null,
  { side, preprocess, cache }: FeedSpec,
): Promise<Uint8Array | { readonly error: string }> {
  const size = 3 * side * side;
  const kept = cache && new Uint8Array(cache.pixels, index * size, size);
  if (kept && isCached(cache, index)) return kept;
  if (!picture) throw new Error(`batch: picture ${index} is neither given nor cached`);
  const prepared = await prepare(picture, { form: 'square', preprocess });
  if ('error' in prepared) return prepared;
  if (prepared.data.length !== size) {
    return { error: `${picture.name}: becomes [${prepared.shape}], [3,${side},${side}] was expected` };
  }
  if (kept) {
    kept.set(prepared.data);
    Atomics.store(new Uint8Array(cache.ready), index, 1);
  }
  return prepared.data as Uint8Array;
}

/** Writes a square, border and all, to `out`. */
function frame(out: Uint8Array, square: Uint8Array, { side, pad, preprocess }: FeedSpec): void {
  if (pad === 0) {
    out.set(square);
    return;
  }
  const border = borderOf(preprocess);
  const wide = side + 2 * pad;
  for (let c = 0; c < 3; c++) {
    out.fill(border[c], c * wide * wide, (c + 1) * wide * wide);
    for (let row = 0; row < side; row++) {
      const from = (c * side + row) * side;
      out.set(square.subarray(from, from + side), (c * wide + pad + row) * wide + pad);
    }
  }
}

/** The mean colour in 0..255, R, G, B: what a border is made of, so that it is 0 for the network. */
function borderOf({ mean, range, channels }: Preprocess): readonly number[] {
  const scaled = mean.map((m) => Math.min(255, Math.max(0, Math.round(range === 1 ? 255 * m : m))));
  return channels === 'RGB' ? scaled : scaled.toReversed();
}

interface Feed extends AsyncDisposable {
  /**
   * The next `count` steps (fewer at the end), and sees to it that `ahead` more are under way. Rejects as
   * `steps.instead` does.
   */
  take(count: number, ahead: number): Promise<Step[]>;
  readonly threads: number;
  /** Milliseconds that `take` was waited for. */
  readonly waited: number;
}

export interface Step {
  readonly job: StepJob;
  readonly feed: StepFeed;
}

/** The steps to come, which are asked for as late as possible. */
export interface Steps {
  readonly jobs: Iterator<StepJob>;
  /** The step with other pictures for those that could not be read. Throws InputError where that ends the run. */
  instead(job: StepJob, unfinished: Unfinished): StepJob;
}

export function openFeed(spec: FeedSpec, { jobs, instead }: Steps, threads?: number): Feed {
  const pool = openThreads<StepJob, StepFeed | Unfinished>({
    threads,
    start: () => startThread('./feed-worker', import.meta.url, spec),
    lost: (_, reason) => {
      throw new EnvironmentError(`a thread that makes batches ended: ${reason}`);
    },
  });
  const make = async (job: StepJob): Promise<Step> => {
    const made = await pool.run(job);
    return 'errors' in made ? make(instead(job, made)) : { job, feed: made };
  };
  const under: Promise<Step>[] = [];
  const fill = (wanted: number): void => {
    while (under.length < wanted) {
      const { done, value: job } = jobs.next();
      if (done) return;
      const made = make(job);
      made.catch(() => {}); // it is awaited when its turn comes
      under.push(made);
    }
  };
  let waited = 0;
  return {
    threads: pool.count,
    get waited() {
      return waited;
    },
    async take(count, ahead) {
      fill(count + ahead);
      const started = performance.now();
      const steps: Step[] = [];
      for (const made of under.splice(0, count)) steps.push(await made);
      waited += performance.now() - started;
      return steps;
    },
    [Symbol.asyncDispose]: pool.close,
  };
}
