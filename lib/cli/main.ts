#!/usr/bin/env node
/**
 * The `alexnet` command: one file a command in commands/, errors in one line, exit codes as docs/json.md
 * lists them.
 */
import { availableParallelism } from 'node:os';
import { configure, workers } from '../fast/node.ts';
import { run } from './run.ts';

/** Beyond a few threads, starting them costs more than an image's layers give back. */
const MOST_THREADS = 8;

configure({
  threads: workers(Math.min(availableParallelism(), MOST_THREADS)),
  missing: (reason) =>
    process.stderr.write(`${reason}: the oracle computes by its plain loops, far slower\n`),
});
process.exitCode = await run(process.argv);
