/** The page's side of the conversation: each question is a promise. */

import type { Questions, Reply, Topic } from '../engine/protocol.ts';
import code from '../engine/worker.ts?bundle';

export type Ask = <T extends Topic>(topic: T, ask: Questions[T]['ask']) => Promise<Questions[T]['answer']>;

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the worker, from a blob: URL so that it works from a file too. */
export function startWorker(): Ask {
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = new Worker(url);
  const waiting = new Map<number, Waiting>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Reply>) => {
    const { resolve, reject } = waiting.get(data.id)!;
    waiting.delete(data.id);
    if ('error' in data) reject(new Error(data.error));
    else resolve(data.answer as never);
  };
  return (topic, ask) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      worker.postMessage({ id: last, topic, ask });
    });
}
