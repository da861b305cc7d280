/** Steps assembled ahead in worker threads, long before they are needed. */
import { performance } from 'node:perf_hooks';
import { openThreads, startThread } from '../data/threads.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import type { Assembled, FeedSpec, StepFeed, StepJob } from './batch.ts';

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

/** `jobs` are the steps to come; they are asked for as late as possible. */
export function openFeed(spec: FeedSpec, jobs: Iterator<StepJob>, threads?: number): Feed {
  const pool = openThreads<StepJob, Assembled>({
    threads,
    start: () => startThread('./feed-worker', import.meta.url, spec),
    lost: (_, reason) => {
      throw new EnvironmentError(`a thread that makes batches ended: ${reason}`);
    },
  });
  const under: { job: StepJob; made: Promise<Assembled> }[] = [];
  const fill = (wanted: number): void => {
    while (under.length < wanted) {
      const { done, value: job } = jobs.next();
      if (done) return;
      const made = pool.run(job);
      made.catch(() => {}); // it is awaited when its turn comes
      under.push({ job, made });
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
      for (const { job, made } of under.splice(0, count)) {
        const feed = await made;
        if ('error' in feed) throw new InputError(feed.error);
        steps.push({ job, feed });
      }
      waited += performance.now() - started;
      return steps;
    },
    [Symbol.asyncDispose]: pool.close,
  };
}
