/**
 * A thread that makes pictures ready: lists of pictures come in, results go out, their memory handed over.
 * See pool.ts.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Picture } from './dataset.ts';
import { type Prepared, prepare, type Recipe } from './prepare.ts';

export interface Job {
  readonly id: number;
  readonly pictures: readonly Picture[];
}

export interface Done {
  readonly id: number;
  readonly results: readonly Prepared[];
}

async function work({ id, pictures }: Job): Promise<void> {
  const results: Prepared[] = [];
  for (const picture of pictures) results.push(await prepare(picture, workerData as Recipe));
  const memory = results.flatMap((result) => ('data' in result ? [result.data.buffer] : []));
  parentPort?.postMessage({ id, results } satisfies Done, memory);
}

let last = Promise.resolve();
parentPort?.on('message', (job: Job) => {
  last = last.then(() => work(job));
});
parentPort?.postMessage('ready');
