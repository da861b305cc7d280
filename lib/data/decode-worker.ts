/** A thread that makes pictures ready: see pool.ts. */
import { workerData } from 'node:worker_threads';
import { serve } from '../runtime/threads.ts';
import type { Picture } from './dataset.ts';
import { inHere, type Prepared } from './pool.ts';

serve<readonly Picture[], readonly Prepared[]>(
  (pictures) => inHere(pictures, workerData),
  (results) => results.flatMap((result) => ('data' in result ? [result.data.buffer] : [])),
);
