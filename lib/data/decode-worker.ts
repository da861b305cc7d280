/** A thread that makes pictures ready: see pool.ts. */
import { workerData } from 'node:worker_threads';
import { giveWay, serve } from '../runtime/threads.ts';
import type { Picture } from './dataset.ts';
import { inHere, type Prepared } from './pool.ts';

// training waits for what it wants of them
if (workerData.form !== 'square') giveWay();
serve<readonly Picture[], readonly Prepared[]>(
  (pictures) => inHere(pictures, workerData),
  (results) => results.flatMap((result) => ('data' in result ? [result.data.buffer] : [])),
  workerData.decoder === 'sharp' ? 2 : 1, // its own threads decode
);
