/** A thread that assembles steps: see feed.ts. */
import { workerData } from 'node:worker_threads';
import { serve } from '../runtime/threads.ts';
import { type Assembled, assembleStep, type StepJob } from './feed.ts';

serve<StepJob, Assembled>(
  (job) => assembleStep(workerData, job),
  (made) => ('error' in made ? [] : [made.images.buffer, ...made.masks.map(({ buffer }) => buffer)]),
);
