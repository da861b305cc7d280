/**
 * All that the command line says: results on stdout, the rest on stderr. Everything goes through one filter, so that
 * no name in a file steers a terminal or a CI system.
 */
import { CommanderError } from 'commander';
import { shortage } from '../disk/errno.ts';
import { isStandardOutput } from '../disk/target.ts';
import { EnvironmentError } from '../errors.ts';
import { harmless, oneLine, visible } from '../report/escape.ts';

/** Results, which end with their own newline. */
export const say = (text: string): void => void process.stdout.write(harmless(text));

export const sayLine = (line: string): void => say(`${oneLine(line)}\n`);

/** One line on stderr. */
export const tell = (line: string): void => void process.stderr.write(`${harmless(oneLine(line))}\n`);

/** A line that the CI system is to obey. */
export const command = (line: string): void => void process.stderr.write(`${visible(oneLine(line))}\n`);

/** A result on stdout, or on stderr where stdout is the file `out`: as JSON where that is asked for, else in words. */
export async function print(
  json: boolean | undefined,
  value: object,
  text: () => string,
  out?: string,
): Promise<void> {
  // JSON has no infinity and no NaN: they are texts
  const plain = (_: string, item: unknown) =>
    typeof item === 'number' && !Number.isFinite(item) ? String(item) : item;
  const words = json ? `${JSON.stringify({ version: 1, ...value }, plain)}\n` : text();
  if (out !== undefined && (await isStandardOutput(out))) process.stderr.write(harmless(words));
  else say(words);
}

/** How wide help may be: the terminal, COLUMNS where there is none, else 80. */
export const columns = (): number =>
  Math.max(20, process.stdout.columns ?? (Number(process.env.COLUMNS) || 80));

/** The first Ctrl-C aborts the signal, and the exit code is 130, as a shell has it; the next one ends the program. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const control = new AbortController();
  const stop = (): void => {
    tell('alexnet: interrupted: what is finished follows');
    process.exitCode = 130;
    control.abort();
  };
  process.once('SIGINT', stop);
  try {
    return await run(control.signal);
  } finally {
    process.off('SIGINT', stop);
  }
}

/** For `progressBar`, of pictures. */
export const PICTURES = '{bar} {value} of {total} pictures, {rate}/s, {eta_formatted} left';

/** A bar on stderr that begins with its first step. On a terminal alone; elsewhere the lines are all. */
export async function progressBar(format: string, barsize = 40) {
  if (!process.stderr.isTTY) return { above: tell, update() {}, stop() {} };
  const { default: progress } = await import('cli-progress');
  let started = 0;
  const bar = new progress.SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize });
  return {
    /** A line that stays. */
    above(line: string): void {
      bar.stop();
      tell(line);
    },
    update(done: number, total: number, more: object = {}): void {
      started ||= performance.now();
      const seconds = (performance.now() - started) / 1000;
      const payload = { rate: seconds > 0 ? (done / seconds).toFixed(1) : '?', ...more };
      if (bar.isActive) bar.update(done, payload);
      else bar.start(total, done, payload);
    },
    stop: () => bar.stop(),
  };
}

// ---- What an error becomes: one line, and an exit code.

/** 2 bad usage or input · 3 environment. */
const exitCodeOf = (error: Error): number =>
  error instanceof EnvironmentError || shortage(error) !== undefined ? 3 : 2;

/** Nothing that a user did gives one of these by itself: a fault of this program. */
const isInternal = (error: unknown): boolean =>
  !(error instanceof Error) || ['TypeError', 'ReferenceError', 'AssertionError'].includes(error.name);

function lineOf(error: Error): string {
  const short = error instanceof EnvironmentError ? undefined : shortage(error);
  const message = String(error?.message ?? error)
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ');
  if (!short && isInternal(error)) {
    return `alexnet: ${message}: a fault of this program: please report it with its command and files (--debug shows where)`;
  }
  const hint = error instanceof CommanderError ? ' (--help lists commands and options)' : '';
  return `alexnet: ${message}${short ? ` (${short})` : ''}${hint}`;
}

/** Says what went wrong; the exit code that it means. */
export function tellError(error: Error, debug = false): number {
  tell(lineOf(error));
  if (debug) process.stderr.write(harmless(`${error.stack}\n`));
  return exitCodeOf(error);
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
      process.exitCode ||= tellError(error as Error);
    }
  }
}

/** Says that pictures could not be read: one line each unless JSON tells it, and exit 2. */
export function tellUnread(
  pictures: readonly { readonly error?: string }[],
  json: boolean | undefined,
): void {
  for (const { error } of pictures) {
    if (error === undefined) continue;
    if (!json) tell(`alexnet: ${error}`);
    process.exitCode ||= 2;
  }
}

// ---- Output that nobody can receive.

/** Files that are still to be written: then a standard output that fails does not end the program. */
export const pending = { files: false };

let watched = false;

/** Listens for streams that fail: one line where that is possible, and exit 3. */
export function watchOutput(json: boolean): void {
  if (watched) return;
  watched = true;
  /** Which of the two failed first: each write of a stream may fail anew. */
  let said: '' | 'stdout' | 'stderr' = '';
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // the reader of a pipe has gone (`alexnet summary | head -1`): nothing is left to say
    const gone = error.code === 'EPIPE';
    if (!gone && said !== 'stdout') tell(`alexnet: standard output cannot be written: ${reasonOf(error)}`);
    if (!gone) process.exitCode ||= 3;
    said = 'stdout';
    if (!pending.files) process.exit(process.exitCode ?? 0);
  });
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (!json && said === '') say(`alexnet: standard error cannot be written: ${reasonOf(error)}\n`);
    process.exitCode ||= 3;
    said ||= 'stderr';
  });
}

const reasonOf = (error: NodeJS.ErrnoException): string => shortage(error) ?? error.code ?? error.message;
