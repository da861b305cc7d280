/** A thread that makes pictures ready for a page: see photo.ts. */
import { workerData } from 'node:worker_threads';
import type { Picture } from '../data/dataset.ts';
import { serve } from '../runtime/threads.ts';
import { type Photo, photoOf, type Shown, thumbnailOf, type Unshown } from './photo.ts';

const make: (picture: Picture) => Promise<Photo | Shown> = workerData.preprocess
  ? (picture) => photoOf(picture, workerData)
  : (picture) => thumbnailOf(picture, workerData);

serve<Picture, Photo | Shown | Unshown>(
  (picture) => make(picture).catch(({ message }) => ({ error: message })),
  () => [],
);
