#!/usr/bin/env node
/**
 * The `alexnet` command: one file a command in commands/, errors in one line, exit codes as docs/json.md
 * lists them.
 */
import { availableParallelism } from 'node:os';

/** Beyond a few threads, starting them costs more than an image's layers give back. */
const MOST_THREADS = 8;

const [fast, { alexnet }, { tell }] = await Promise.all([
  import('../fast/node.ts'),
  import('./program.ts'),
  import('./output.ts'),
]).catch(notLoaded);

fast.configure({
  threads: fast.workers(Math.min(availableParallelism(), MOST_THREADS)),
  wide: fast.widerIfFaster,
  missing: (reason) => tell(`${reason}: the oracle computes by its plain loops, far slower`),
});
process.exitCode = await alexnet(process.argv).catch(notLoaded);

/** Where not even the program's own files can be opened, nothing of it is there to say so. */
function notLoaded(error: Error): never {
  const [reason] = String(error.message).split('\n');
  process.stderr.write(
    `alexnet: cannot be loaded: ${reason}: raise \`ulimit -n\` if it is low, else install the package anew\n`,
  );
  process.exit(3);
}
