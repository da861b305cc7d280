/**
 * Worker threads: each has the same compiled kernels over the same memory, and spends its life inside `serve`
 * (job.ts), so all its JavaScript is one line, which needs neither a loader nor a file of its own.
 *
 * Nothing waits for a worker to start; one that cannot start leaves its share to the others.
 */
import { Worker } from 'node:worker_threads';
import type { CompiledModule, Memory } from './webassembly.ts';

const LIFE = `
const { workerData: { module, memory, thread } } = require('node:worker_threads');
new WebAssembly.Instance(module, { js: { memory } }).exports.serve(thread);
`;

/** Starts threads 1 … count; they do not keep the process alive. The result ends them. */
export function startThreads(count: number, module: CompiledModule, memory: Memory): () => void {
  const workers = Array.from({ length: count }, (_, i) => {
    const workerData = { module, memory, thread: i + 1 };
    const worker = new Worker(LIFE, { eval: true, workerData, execArgv: [], env: {} });
    worker.on('error', () => {});
    worker.unref();
    return worker;
  });
  return () => {
    for (const worker of workers) void worker.terminate();
  };
}
