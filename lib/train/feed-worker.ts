/** A thread that assembles steps: see feed.ts. */
import { workerData } from 'node:worker_threads';
import { serve } from '../runtime/threads.ts';
import { assembleStep, type StepFeed, type StepJob, type Unfinished } from './feed.ts';

serve<StepJob, StepFeed | Unfinished>(
  (job) => assembleStep(workerData, job),
  (made) => [made.images.buffer, ...('masks' in made ? made.masks.map(({ buffer }) => buffer) : [])],
);
