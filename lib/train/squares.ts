/**
 * The squares from which training cuts its crops, 8-bit planes (3,S,S), RGB, with a border of the mean colour
 * where one is asked for. Where all of them fit into memory every picture is decoded once: the cache is
 * shared by all threads.
 */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Picture } from '../data/dataset.ts';
import { prepare } from '../data/prepare.ts';

/** Squares in the order of the split, and whether each is there yet. Writing one twice writes the same bytes. */
export interface Cache {
  readonly pixels: SharedArrayBuffer;
  readonly ready: SharedArrayBuffer;
}

export interface SquareSpec {
  readonly preprocess: Preprocess;
  /** S without the border. */
  readonly side: number;
  readonly pad: number;
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

/** Side of the square that a preprocessing makes. */
export const sideOf = ({ resize }: Preprocess): number => resize.size;

/** The mean colour in 0..255, R, G, B: what a border is made of, so that it is 0 for the network. */
export function borderOf({ mean, range, channels }: Preprocess): readonly number[] {
  const scaled = mean.map((m) => Math.min(255, Math.max(0, Math.round(range === 1 ? 255 * m : m))));
  return channels === 'RGB' ? scaled : scaled.toReversed();
}

/**
 * Writes one square, border and all, to the front of `out`. Answers why, in one line, if the picture cannot
 * be used.
 */
export async function putSquare(
  out: Uint8Array,
  index: number,
  picture: Picture | null,
  spec: SquareSpec,
  cache?: Cache,
): Promise<string | undefined> {
  const size = 3 * spec.side * spec.side;
  const kept = cache && new Uint8Array(cache.pixels, index * size, size);
  if (kept && isCached(cache, index)) {
    frame(out, kept, spec);
    return undefined;
  }
  if (!picture) throw new Error(`squares: picture ${index} is neither given nor cached`);
  const prepared = await prepare(picture, { form: 'square', preprocess: spec.preprocess });
  if ('error' in prepared) return prepared.error;
  if (prepared.data.length !== size) {
    return `${picture.name}: becomes [${prepared.shape}], [3,${spec.side},${spec.side}] was expected`;
  }
  frame(out, prepared.data as Uint8Array, spec);
  if (kept && cache) {
    kept.set(prepared.data);
    Atomics.store(new Uint8Array(cache.ready), index, 1);
  }
  return undefined;
}

function frame(out: Uint8Array, square: Uint8Array, { side, pad, preprocess }: SquareSpec): void {
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
