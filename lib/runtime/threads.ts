/**
 * Jobs done in worker threads. Jobs are handed to the threads at once, not when they ask: they go on while the thread
 * that asked is busy, as it is where onnxruntime-node computes on it.
 */
import { createRequire } from 'node:module';
import { availableParallelism, getPriority, setPriority } from 'node:os';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parentPort, Worker } from 'node:worker_threads';
import { EnvironmentError } from '../errors.ts';

export interface ThreadPool<Job, Result> {
  readonly count: number;
  /** Rejects with EnvironmentError if no thread starts, and with Error when they are closed. */
  run(job: Job): Promise<Result>;
  close(): Promise<void>;
}

interface ThreadOptions<Job, Result> {
  /** How many at most; each but the first starts when the others are busy. Default: one per core, at most 16. */
  readonly threads?: number;
  start(): Worker;
  /** The result of a job that ended its thread, by running out of memory for example. May throw. */
  lost(job: Job, reason: string): Result;
}

interface Waiting<Job, Result> {
  readonly job: Job;
  resolve(result: Result | Promise<Result>): void;
  reject(error: Error): void;
}

interface Thread<Job, Result> {
  readonly worker: Worker;
  /** Whether it has started to listen. */
  ready: boolean;
  /** In the order in which they were sent; the first is under way. */
  readonly jobs: Waiting<Job, Result>[];
}

/** Starts threads that `serve`. They keep the process alive only while they have something to do. */
export function openThreads<Job, Result>(options: ThreadOptions<Job, Result>): ThreadPool<Job, Result> {
  const { threads: count = Math.min(availableParallelism(), 16), start, lost } = options;
  const all = new Set<Thread<Job, Result>>();
  /** Less than `count` by those that did not start. */
  let most = count;
  /** Why nothing more can be done. */
  let ended: Error | undefined;

  /** To the thread that has the least to do. */
  const send = (waiting: Waiting<Job, Result>): void => {
    if (!ended && all.size < most && [...all].every(({ jobs }) => jobs.length > 0)) add();
    const [first, ...others] = all;
    if (!first) {
      waiting.reject(ended!);
      return;
    }
    const thread = others.reduce((least, one) => (one.jobs.length < least.jobs.length ? one : least), first);
    thread.jobs.push(waiting);
    thread.worker.ref();
    thread.worker.postMessage(waiting.job);
  };

  const add = (): void => {
    const thread: Thread<Job, Result> = { worker: start(), ready: false, jobs: [] };
    let reason = 'it ended by itself';
    thread.worker.unref();
    thread.worker.on('message', (message: 'ready' | { readonly result: Result }) => {
      if (message === 'ready') thread.ready = true;
      else thread.jobs.shift()?.resolve(message.result);
      // one that is being ended stays referenced: the process must not go before it
      if (thread.jobs.length === 0 && all.has(thread)) thread.worker.unref();
    });
    thread.worker.on('error', (error: Error) => {
      reason = error.message.split('\n')[0];
    });
    thread.worker.on('exit', () => lose(thread, reason));
    all.add(thread);
  };

  /** What the thread was at is given up; the rest goes to the others, or a new one. */
  const lose = (thread: Thread<Job, Result>, reason: string): void => {
    if (!all.delete(thread)) return;
    const jobs = thread.jobs.splice(0);
    if (thread.ready) {
      const under = jobs.shift();
      under?.resolve(Promise.resolve().then(() => lost(under.job, reason)));
    } else if (--most === 0) {
      ended = new EnvironmentError(`threads to decode in do not start: ${reason}`);
    }
    for (const waiting of jobs) send(waiting);
  };

  add();
  return {
    count,
    run: (job) => new Promise((resolve, reject) => send({ job, resolve, reject })),
    async close() {
      ended ??= new Error('threads: they are closed');
      const open = [...all];
      all.clear();
      for (const { reject } of open.flatMap(({ jobs }) => jobs.splice(0))) reject(ended);
      await Promise.all(open.map(({ worker }) => worker.terminate()));
    },
  };
}

/**
 * The results of jobs in their order; at most `ahead` jobs are under way or wait to be taken. A result that is there
 * does not wait for a source of jobs that is slow. Rejects with the signal's reason once that is aborted.
 */
export async function* inOrder<Job, Result>(
  jobs: Iterable<Job> | AsyncIterable<Job>,
  ahead: number,
  run: (job: Job) => Promise<Result>,
  signal?: AbortSignal,
): AsyncGenerator<Result> {
  const source = iteratorOf(jobs);
  const under: Promise<Result>[] = [];
  const end = aborted(signal);
  let coming: Promise<IteratorResult<Job>> | undefined;
  let more = true;
  try {
    for (;;) {
      if (more && under.length < ahead) coming ??= Promise.resolve(source.next());
      if (!coming && under.length === 0) return;
      const first = under[0]?.then(() => undefined);
      const job = await Promise.race([coming, first, end.promise].filter((one) => one !== undefined));
      if (!job) yield await under.shift()!;
      else {
        coming = undefined;
        more = !job.done;
        if (job.done) continue;
        const result = run(job.value);
        result.catch(() => {}); // it is awaited above, unless the reader stops before
        under.push(result);
      }
    }
  } finally {
    end.forget();
    // of a source that is waited for nobody knows when it ends
    const ending = more ? source.return?.() : undefined;
    if (coming) Promise.resolve(ending).catch(() => {});
    else await ending;
  }
}

function iteratorOf<T>(items: Iterable<T> | AsyncIterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
}

/** A promise that rejects with the signal's reason, until it is to be forgotten. */
export function aborted(signal?: AbortSignal): { readonly promise?: Promise<never>; forget(): void } {
  if (!signal) return { forget() {} };
  let listen = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    listen = () => reject(signal.reason);
    if (signal.aborted) listen();
    else signal.addEventListener('abort', listen);
  });
  promise.catch(() => {});
  return { promise, forget: () => signal.removeEventListener('abort', listen) };
}

/**
 * In a thread: does the jobs in the order in which they come; a result's `memoryOf` is handed over, not copied.
 * `atOnce`: how many are under way, where others than this thread do most of the work.
 */
export function serve<Job, Result>(
  work: (job: Job) => Promise<Result>,
  memoryOf: (result: Result) => ArrayBuffer[],
  atOnce = 1,
): void {
  const under: Promise<void>[] = Array(atOnce).fill(Promise.resolve());
  parentPort?.on('message', (job: Job) => {
    const found = under.shift()!.then(() => work(job));
    const sent = Promise.all([found, under.at(-1)]).then(([result]) =>
      parentPort?.postMessage({ result }, memoryOf(result)),
    );
    under.push(sent);
  });
  parentPort?.postMessage('ready');
}

/** In a thread: lets the threads with less to do go before it: the caller's stays prompt where all cores are busy. */
export function giveWay(): void {
  // 0 is the thread itself on Linux, and the whole process elsewhere
  if (process.platform === 'linux') setPriority(0, Math.min(19, getPriority(0) + 5));
}

/** tsx does not reach into threads by itself (privatenumber/tsx issue 354): there it is registered first. */
const LIFE = 'import(process.argv[2]).then((tsx) => (tsx.register(), import(process.argv[3])));';

/**
 * A thread that runs a module of this package, compiled or, as tsx runs it, in TypeScript. `path` has no ending and
 * is relative to `from`, which is the caller's import.meta.url.
 */
export function startThread(path: string, from: string, workerData: unknown): Worker {
  const ending = extname(from);
  const module = new URL(`${path}${ending}`, from);
  if (ending !== '.ts') return new Worker(module, { workerData, execArgv: [] });
  const tsx = createRequire(from)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  const argv = [pathToFileURL(tsx).href, module.href];
  return new Worker(LIFE, { eval: true, argv, workerData, execArgv: [] });
}
