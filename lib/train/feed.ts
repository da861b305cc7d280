/**
 * Steps assembled ahead in worker threads. onnxruntime-node computes on the thread that calls it and holds it
 * meanwhile, so the threads are given their work long before it is needed.
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Worker } from 'node:worker_threads';
import { startThread } from '../data/thread.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import type { FeedSpec, StepFeed, StepJob } from './assemble.ts';
import type { Answer } from './feed-worker.ts';

export interface Feed extends AsyncDisposable {
  /**
   * The next `count` steps (fewer at the end), and sees to it that `ahead` more are under way. Rejects with
   * InputError naming the picture that cannot be used.
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

interface Waiting {
  readonly job: StepJob;
  readonly feed: Promise<StepFeed>;
  settle(answer: Answer): void;
  fail(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  /** In the order in which they were sent. */
  readonly jobs: Waiting[];
}

/** `jobs` are the steps to come; they are asked for as late as possible. */
export function openFeed(spec: FeedSpec, jobs: Iterator<StepJob>, threads = defaultThreads()): Feed {
  return new Threads(spec, jobs, threads);
}

const defaultThreads = (): number => Math.min(Math.max(availableParallelism() - 1, 1), 16);

class Threads implements Feed {
  waited = 0;
  readonly threads: number;
  readonly #threads: Thread[];
  readonly #jobs: Iterator<StepJob>;
  readonly #under: Waiting[] = [];
  #closed = false;

  constructor(spec: FeedSpec, jobs: Iterator<StepJob>, threads: number) {
    this.threads = threads;
    this.#jobs = jobs;
    this.#threads = Array.from({ length: threads }, () => this.#start(spec));
  }

  async take(count: number, ahead: number): Promise<Step[]> {
    this.#fill(count + ahead);
    const taken = this.#under.splice(0, count);
    const started = performance.now();
    const steps: Step[] = [];
    for (const { job, feed } of taken) steps.push({ job, feed: await feed });
    this.waited += performance.now() - started;
    return steps;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #fill(wanted: number): void {
    while (this.#under.length < wanted) {
      const { done, value } = this.#jobs.next();
      if (done) return;
      this.#send(value);
    }
  }

  #send(job: StepJob): void {
    const thread = this.#threads.reduce((least, one) => (one.jobs.length < least.jobs.length ? one : least));
    let settle: (feed: StepFeed) => void;
    let fail: (error: Error) => void;
    const feed = new Promise<StepFeed>((resolve, reject) => {
      [settle, fail] = [resolve, reject];
    });
    feed.catch(() => {}); // it is awaited when its turn comes
    const waiting: Waiting = {
      job,
      feed,
      settle: (answer) => ('error' in answer ? fail(new InputError(answer.error)) : settle(answer)),
      fail: (error) => fail(error),
    };
    thread.jobs.push(waiting);
    this.#under.push(waiting);
    thread.worker.postMessage(job);
  }

  #start(spec: FeedSpec): Thread {
    const thread: Thread = { worker: startThread('./feed-worker', import.meta.url, spec), jobs: [] };
    let reason = 'it ended by itself';
    thread.worker.on('message', (answer: Answer) => thread.jobs.shift()?.settle(answer));
    thread.worker.on('error', (error) => {
      reason = (error as Error).message.split('\n')[0];
    });
    thread.worker.on('exit', () => {
      if (this.#closed) return;
      for (const job of thread.jobs.splice(0))
        job.fail(new EnvironmentError(`a thread that makes batches ended: ${reason}`));
    });
    return thread;
  }
}
