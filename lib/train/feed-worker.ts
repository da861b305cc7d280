/** A thread that assembles steps: see feed.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { assemble, type FeedSpec, type StepFeed, type StepJob } from './assemble.ts';

export type Answer = { readonly step: number } & (StepFeed | { readonly error: string });

let last = Promise.resolve();
parentPort?.on('message', (job: StepJob) => {
  last = last.then(async () => {
    const feed = await assemble(workerData as FeedSpec, job);
    const memory = 'error' in feed ? [] : [feed.images.buffer, ...feed.masks.map(({ buffer }) => buffer)];
    parentPort?.postMessage({ step: job.step, ...feed } satisfies Answer, memory);
  });
});
