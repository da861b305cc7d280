/**
 * The entry for Node, `alexnet-oracle/fast`: all of index.ts, and Node's threads, which a browser cannot load.
 *
 * Each worker has the same compiled kernels over the same memory, and spends its life inside `serve`
 * (kernels/sharing.ts), so all its JavaScript is one line, which needs neither a loader nor a file of its own.
 * Nothing waits for a worker to start; one that cannot start leaves its share to the others.
 *
 * @module alexnet-oracle/fast
 */
import { Worker } from 'node:worker_threads';
import type { Threads } from './engine.ts';

export * from './index.ts';
export { widerIfFaster } from './wide.ts';

const LIFE = `
const { workerData: { kernels, memory, thread } } = require('node:worker_threads');
new WebAssembly.Instance(kernels, { js: { memory } }).exports.serve(thread);
`;

/**
 * For `configure({ threads: workers(4) })`: that many threads, this one included. They do not keep the process alive.
 * Throws if `count` is not a positive integer.
 */
export function workers(count: number): Threads {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`fast: threads must be a positive integer (= ${String(count)})`);
  }
  return {
    count,
    start(kernels, memory) {
      const started = Array.from({ length: count - 1 }, (_, i) => {
        const workerData = { kernels, memory, thread: i + 1 };
        const worker = new Worker(LIFE, { eval: true, workerData, execArgv: [], env: {} });
        worker.on('error', () => {});
        worker.unref();
        return worker;
      });
      return () => {
        for (const worker of started) void worker.terminate();
      };
    },
  };
}
