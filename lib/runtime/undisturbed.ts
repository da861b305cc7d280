/**
 * What must not be cut off: onnxruntime 1.30 aborts the process (134) where the thread that it computes on is ended in
 * the middle, as happens to all threads when a process exits. So whoever exits waits for the call under way, and no
 * other one begins.
 */

/** Shared by the thread that works and those that may end it. */
export type Flag = Int32Array<SharedArrayBuffer>;

const IDLE = 0;
const WORKING = 1;
const ENDED = 2;

export const newFlag = (): Flag => new Int32Array(new SharedArrayBuffer(4));

/** In the thread: does the work, unless it is too late; then this never resolves, as the thread is being ended. */
export async function undisturbed<T>(flag: Flag, work: () => Promise<T>): Promise<T> {
  if (Atomics.compareExchange(flag, 0, IDLE, WORKING) === ENDED) return new Promise(() => {});
  try {
    return await work();
  } finally {
    Atomics.store(flag, 0, IDLE);
    Atomics.notify(flag, 0);
  }
}

const flags = new Set<Flag>();
const settle = (): void => {
  for (const flag of flags)
    while (Atomics.compareExchange(flag, 0, IDLE, ENDED) === WORKING) Atomics.wait(flag, 0, WORKING);
};

/** Where the thread was started: from now on, the process does not exit during its work. Returns what ends that. */
export function awaitAtExit(flag: Flag): () => void {
  if (flags.size === 0) process.on('exit', settle);
  flags.add(flag);
  return () => {
    flags.delete(flag);
    if (flags.size === 0) process.off('exit', settle);
  };
}
