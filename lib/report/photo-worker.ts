/** A thread that makes photos ready for a page: see predictions.ts. */
import { workerData } from 'node:worker_threads';
import { serve } from '../runtime/threads.ts';
import { type Photo, photoOf } from './photo.ts';

serve<string, Photo | { readonly error: string }>(
  (path) => photoOf(path, workerData).catch(({ message }) => ({ error: message })),
  () => [],
);
