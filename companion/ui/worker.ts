/** The page's side of the conversation: each question is a promise. */

import type { Progress, Questions, Reply, Topic } from '../engine/protocol.ts';
import code from '../engine/worker.ts?bundle';

export type Ask = <T extends Topic>(
  topic: T,
  ask: Questions[T]['ask'],
  progress?: Progress,
) => Promise<Questions[T]['answer']>;

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
  readonly progress?: Progress;
}

/** Starts the worker, from a blob: URL so that it works from a file too. */
export function startWorker(): Ask {
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = new Worker(url);
  const waiting = new Map<number, Waiting>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    const { resolve, reject, progress } = waiting.get(data.id)!;
    if ('share' in data) return progress?.(data.share);
    waiting.delete(data.id);
    if ('error' in data) reject(new Error(data.error));
    else resolve(data.answer as never);
  };
  return (topic, ask, progress) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject, progress });
      worker.postMessage({ id: last, topic, ask });
    });
}
