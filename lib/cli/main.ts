#!/usr/bin/env node
/** The `alexnet` command: one file a command in commands/, errors in one line, exit codes as docs/json.md lists them. */
import { run } from './run.ts';

process.exitCode = await run(process.argv);
