/** Pictures decoded and preprocessed in worker threads. */
import type { Worker } from 'node:worker_threads';
import { EnvironmentError } from '../errors.ts';
import type { Picture } from './dataset.ts';
import type { Prepared, Recipe } from './prepare.ts';
import { openThreads, startThread } from './threads.ts';

export interface PoolOptions {
  /** Default: one a core but for one, at least 1, at most 16. */
  readonly threads?: number;
}

export interface Pool extends AsyncDisposable {
  readonly threads: number;
  /**
   * The pictures made ready, in order; one that cannot be used is an error in its place. Rejects with
   * EnvironmentError if the decoder is missing or no thread starts, and with Error when the pool is closed.
   */
  prepare(pictures: readonly Picture[]): Promise<readonly Prepared[]>;
  close(): Promise<void>;
}

const startDecoder = (recipe: Recipe): Worker => startThread('./decode-worker', import.meta.url, recipe);

/** Threads that do what the recipe says. `start` is how one is started; specs give their own. */
export function openPool(recipe: Recipe, { threads }: PoolOptions = {}, start = startDecoder): Pool {
  const { meanImage } = recipe;
  // a tensor's own class does not pass to another thread
  const plain = meanImage ? { data: meanImage.data, shape: [...meanImage.shape] } : undefined;
  const sent: Recipe = plain ? { ...recipe, meanImage: plain } : recipe;
  const pool = openThreads<readonly Picture[], readonly Prepared[]>({
    threads,
    start: () => start(sent),
    lost: (pictures, reason) =>
      pictures.map(({ name }) => ({ error: `${name}: decoding it ended its thread (${reason})` })),
  });
  return {
    threads: pool.count,
    async prepare(pictures) {
      const results = await pool.run(pictures);
      for (const result of results) if ('environment' in result) throw new EnvironmentError(result.error);
      return results;
    },
    close: pool.close,
    [Symbol.asyncDispose]: pool.close,
  };
}

/** Groups of pictures made ready, in order; at most `ahead` groups are under way or wait to be taken. */
export async function* inOrder(
  pool: Pool,
  groups: Iterable<readonly Picture[]>,
  ahead: number,
): AsyncGenerator<readonly Prepared[]> {
  const under: Promise<readonly Prepared[]>[] = [];
  for (const group of groups) {
    const job = pool.prepare(group);
    job.catch(() => {}); // it is awaited below, unless the reader stops before
    under.push(job);
    if (under.length >= ahead) yield await under.shift()!;
  }
  for (const job of under) yield await job;
}
