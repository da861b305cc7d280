/** Starts a worker thread on a module of this package, compiled or, as tsx runs it, in TypeScript. */
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/** tsx does not reach into threads by itself (privatenumber/tsx issue 354): there it is registered first. */
const LIFE = 'import(process.argv[2]).then((tsx) => (tsx.register(), import(process.argv[3])));';

/** `path` has no ending and is relative to `from`, which is the caller's import.meta.url. */
export function startThread(path: string, from: string, workerData: unknown): Worker {
  const ending = extname(from);
  const module = new URL(`${path}${ending}`, from);
  if (ending !== '.ts') return new Worker(module, { workerData, execArgv: [] });
  const tsx = createRequire(from)
    .resolve('tsx/esm/api')
    .replace(/\.cjs$/, '.mjs');
  const argv = [pathToFileURL(tsx).href, module.href];
  return new Worker(LIFE, { eval: true, argv, workerData, execArgv: [] });
}
