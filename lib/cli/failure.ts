/** What an error becomes on the command line: one line on stderr, and an exit code. */
import { CommanderError } from 'commander';
import { shortage } from '../disk/errno.ts';
import { EnvironmentError } from '../errors.ts';

/** Files that are still to be written: then a standard output that fails does not end the program. */
export const pending = { files: false };

let watched = false;

/** Listens for output that nobody can receive: one line where that is possible, and exit 3. */
export function watchOutput(json: boolean): void {
  if (watched) return;
  watched = true;
  /** Which of the two failed first: each write of a stream may fail anew. */
  let said: '' | 'stdout' | 'stderr' = '';
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // the reader of a pipe has gone (`alexnet summary | head -1`): nothing is left to say
    const gone = error.code === 'EPIPE';
    if (!gone && said !== 'stdout')
      process.stderr.write(`alexnet: standard output cannot be written: ${reasonOf(error)}\n`);
    if (!gone) process.exitCode ||= 3;
    said = 'stdout';
    if (!pending.files) process.exit(process.exitCode ?? 0);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (!json && said === '')
      process.stdout.write(`alexnet: standard error cannot be written: ${reasonOf(error)}\n`);
    process.exitCode ||= 3;
    said ||= 'stderr';
  });
}

const reasonOf = (error: NodeJS.ErrnoException): string => shortage(error) ?? error.code ?? error.message;

/** 2 bad usage or input · 3 environment. */
export const exitCodeOf = (error: Error): number =>
  error instanceof EnvironmentError || shortage(error) !== undefined ? 3 : 2;

/** The line, without its end. */
export function lineOf(error: Error): string {
  const short = error instanceof EnvironmentError ? undefined : shortage(error);
  const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  const hint = error instanceof CommanderError ? ' (--help lists commands and options)' : '';
  return `alexnet: ${message}${short ? ` (${short})` : ''}${hint}`;
}

/**
 * Takes every step though others fail, so that one full disk costs one file. What fails is said on stderr and in the
 * exit code, unless that tells of a disagreement already.
 */
export async function takeAll(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      process.stderr.write(`${lineOf(error as Error)}\n`);
      process.exitCode ||= exitCodeOf(error as Error);
    }
  }
}
