/**
 * Decodes and preprocesses in worker threads. onnxruntime-node computes on the thread that calls it and holds
 * it meanwhile, so work is handed to the threads at once, not when they ask: they go on while a batch runs.
 */
import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { EnvironmentError } from '../errors.ts';
import type { Picture } from './dataset.ts';
import type { Done, Job } from './decode-worker.ts';
import type { Prepared, Recipe } from './prepare.ts';
import { startThread } from './thread.ts';

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

/**
 * Threads that do what the recipe says. They keep the process alive only while they have something to do.
 * `start` is how one is started; specs give their own.
 */
export function openPool(recipe: Recipe, options: PoolOptions = {}, start = startDecoder): Pool {
  return new Threads(recipe, options.threads ?? Math.min(Math.max(availableParallelism() - 1, 1), 16), start);
}

const startDecoder = (recipe: Recipe): Worker => startThread('./decode-worker', import.meta.url, recipe);

interface Waiting extends Job {
  resolve(results: readonly Prepared[]): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  /** Whether it has started to listen. */
  ready: boolean;
  /** In the order in which they were sent; the first is under way. */
  readonly jobs: Waiting[];
}

class Threads implements Pool {
  readonly threads: number;
  readonly #recipe: Recipe;
  readonly #startWorker: (recipe: Recipe) => Worker;
  readonly #all = new Set<Thread>();
  #next = 0;
  /** Why nothing more can be done. */
  #ended: Error | undefined;

  constructor(recipe: Recipe, threads: number, start: (recipe: Recipe) => Worker) {
    const { meanImage } = recipe;
    // a tensor's own class does not pass to another thread
    this.#recipe = meanImage
      ? { ...recipe, meanImage: { data: meanImage.data, shape: [...meanImage.shape] } }
      : recipe;
    this.threads = threads;
    this.#startWorker = start;
    for (let i = 0; i < threads; i++) this.#start();
  }

  prepare(pictures: readonly Picture[]): Promise<readonly Prepared[]> {
    return new Promise((resolve, reject) => {
      this.#send({ id: this.#next++, pictures, resolve, reject });
    });
  }

  async close(): Promise<void> {
    this.#ended ??= new Error('pool: it is closed');
    const all = [...this.#all];
    this.#all.clear();
    for (const job of all.flatMap(({ jobs }) => jobs.splice(0))) job.reject(this.#ended);
    await Promise.all(all.map(({ worker }) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #start(): void {
    const thread: Thread = { worker: this.#startWorker(this.#recipe), ready: false, jobs: [] };
    let reason = 'it ended by itself';
    thread.worker.unref();
    thread.worker.on('message', (message: 'ready' | Done) => this.#receive(thread, message));
    thread.worker.on('error', (error: Error) => {
      reason = error.message.split('\n')[0];
    });
    thread.worker.on('exit', () => this.#lose(thread, reason));
    this.#all.add(thread);
  }

  /** To the thread that has the least to do. */
  #send(job: Waiting): void {
    const [first, ...others] = this.#all;
    if (!first) {
      job.reject(this.#ended ?? new Error('pool: it has no threads'));
      return;
    }
    const thread = others.reduce((least, one) => (one.jobs.length < least.jobs.length ? one : least), first);
    thread.jobs.push(job);
    thread.worker.ref();
    thread.worker.postMessage({ id: job.id, pictures: job.pictures } satisfies Job);
  }

  #receive(thread: Thread, message: 'ready' | Done): void {
    if (message === 'ready') {
      thread.ready = true;
      return;
    }
    const job = thread.jobs.shift();
    if (thread.jobs.length === 0) thread.worker.unref();
    const missing = message.results.find((result) => 'environment' in result);
    if (missing && 'error' in missing) job?.reject(new EnvironmentError(missing.error));
    else job?.resolve(message.results);
  }

  /**
   * A thread has ended, out of memory for example: what it was at is given up, the rest goes to the others
   * and a new one.
   */
  #lose(thread: Thread, reason: string): void {
    if (!this.#all.delete(thread)) return;
    const jobs = thread.jobs.splice(0);
    if (thread.ready) {
      const lost = jobs.shift();
      lost?.resolve(
        lost.pictures.map(({ name }) => ({ error: `${name}: decoding it ended its thread (${reason})` })),
      );
      this.#start();
    } else if (this.#all.size === 0) {
      this.#ended = new EnvironmentError(`threads to decode in do not start: ${reason}`);
    }
    for (const job of jobs) this.#send(job);
  }
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
