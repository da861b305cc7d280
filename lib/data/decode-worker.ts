/** A thread that makes pictures ready: see pool.ts. */
import { workerData } from 'node:worker_threads';
import { serve } from '../runtime/threads.ts';
import type { Picture } from './dataset.ts';
import { type Prepared, prepare } from './pool.ts';

serve<readonly Picture[], readonly Prepared[]>(
  async (pictures) => {
    const results: Prepared[] = [];
    for (const picture of pictures) results.push(await prepare(picture, workerData));
    return results;
  },
  (results) => results.flatMap((result) => ('data' in result ? [result.data.buffer] : [])),
);
