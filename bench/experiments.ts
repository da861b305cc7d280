/**
 * Training runs for figure1.ts, ablations.ts and defaults.ts: each in a process of its own, several at once where
 * asked for, resumed where it was cut off, and its record kept as a file, so that machines can share the work: a run
 * whose record is there is not made again.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { writeWhole } from '../lib/disk/write.ts';
import { chooseDevice } from '../lib/runtime/devices.ts';
import { checkpointIn, type EpochRecord, readCheckpoint } from '../lib/train/checkpoint.ts';
import { type TrainArguments, train } from '../lib/train/index.ts';

export interface Experiment {
  /** Also the name of its folder and of its record. */
  readonly key: string;
  /** Other data than those of the command line. */
  readonly data?: string;
  readonly options: Omit<TrainArguments, 'data' | 'out' | 'log' | 'progress' | 'epoch' | 'signal'>;
  /** It ends after the first epoch with a training error below. */
  readonly until?: number;
}

interface Epoch {
  /** Means over the epoch's steps, while it learned. */
  readonly loss: number;
  readonly error: number;
  readonly validation: number | null;
}

export interface RunRecord {
  readonly key: string;
  readonly seed: number;
  readonly device: string;
  /** Of the options that it was made with. */
  readonly made: string;
  readonly epochs: readonly Epoch[];
  /** Why it ended before its last epoch. */
  readonly ended?: 'until' | 'hopeless' | 'diverged';
}

export interface Where {
  readonly data: string;
  readonly folder: string;
  readonly device: 'auto' | 'cpu' | 'cuda' | 'webgpu';
  /** Runs at once, and threads that make the batches of each. */
  readonly jobs: number;
  readonly threads?: number;
}

/** Whether a run need not go on, from the training errors of its epochs so far. */
type Hopeless = (key: string, errors: readonly number[]) => boolean;

/** Ends the program with one line and exit code 2. */
export function refuse(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

/** The command line: a script's own options beside those of all experiments. Wrong ones end the program. */
export function commandLine<T extends NonNullable<ParseArgsConfig['options']>>(own: T) {
  const common = {
    data: { type: 'string', default: fileURLToPath(new URL('../../shared/data/cifar10', import.meta.url)) },
    device: { type: 'string', default: 'auto' },
    jobs: { type: 'string', default: '1' },
    threads: { type: 'string' },
    folder: { type: 'string', default: '.experiments' },
    seeds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  } as const;
  const parsed = (() => {
    try {
      return parseArgs({ options: { ...common, ...own } });
    } catch (error) {
      return refuse((error as Error).message);
    }
  })();
  const values = parsed.values as typeof parsed.values & Record<'data' | 'device' | 'folder', string>;
  const given: Readonly<Record<string, unknown>> = values;
  const whole = (name: string, least: number): number => {
    const value = Number(given[name]);
    return Number.isSafeInteger(value) && value >= least
      ? value
      : refuse(`--${name}: an integer of at least ${least}`);
  };
  if (!existsSync(values.data))
    refuse(`${values.data} is not there: --data names the folder of CIFAR-10's binary files`);
  const where: Where = {
    data: values.data,
    folder: values.folder,
    device: values.device as Where['device'],
    jobs: whole('jobs', 1),
    ...(given.threads === undefined ? {} : { threads: whole('threads', 1) }),
  };
  const seeds = Array.from({ length: whole('seeds', 2) }, (_, seed) => seed);
  return { values, where, seeds, whole, write: given.write === true };
}

const recordPath = (folder: string, key: string): string => join(folder, `${key}.json`);

const madeBy = ({ options, until }: Experiment): string =>
  createHash('sha256').update(JSON.stringify({ options, until })).digest('hex').slice(0, 16);

/** The record of a run that was made, or undefined. Throws where it was made with other options. */
export function recordOf(folder: string, experiment: Experiment): RunRecord | undefined {
  const path = recordPath(folder, experiment.key);
  if (!existsSync(path)) return undefined;
  const record = JSON.parse(readFileSync(path, 'utf8')) as RunRecord;
  if (record.made === madeBy(experiment)) return record;
  throw new Error(`${path} was made with other options: remove it and its folder, or name another --folder`);
}

/** Makes the runs that have no record yet; answers all records in the experiments' order. */
export async function runAll(
  experiments: readonly Experiment[],
  where: Where,
  hopeless: Hopeless = () => false,
): Promise<RunRecord[]> {
  mkdirSync(where.folder, { recursive: true });
  const waiting = experiments.filter((experiment) => recordOf(where.folder, experiment) === undefined);
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const record = await runApart(next, where, hopeless);
      await writeWhole(
        { path: recordPath(where.folder, next.key), mark: null, content: `${JSON.stringify(record)}\n` },
        { force: true },
      );
    }
  };
  await Promise.all(Array.from({ length: where.jobs }, worker));
  return experiments.map((experiment) => recordOf(where.folder, experiment)!);
}

/** All epochs so far, after each of them; at the end the record. */
type Message =
  | { readonly epochs: readonly Epoch[]; readonly seconds: number }
  | { readonly record: RunRecord };

async function runApart(experiment: Experiment, where: Where, hopeless: Hopeless): Promise<RunRecord> {
  const { key } = experiment;
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify({ experiment, where })]);
  let told = false;
  let record: RunRecord | undefined;
  child.on('message', (message: Message) => {
    if ('record' in message) {
      record = message.record;
      return;
    }
    const { epochs, seconds } = message;
    process.stderr.write(`${key}: ${lineOf(epochs)} (${seconds.toFixed(1)} s)\n`);
    if (
      !told &&
      hopeless(
        key,
        epochs.map(({ error }) => error),
      )
    ) {
      told = true;
      child.send('stop');
    }
  });
  const code = await ended(child);
  if (!record) throw new Error(`${key}: its process ended with ${code}`);
  return record;
}

function lineOf(epochs: readonly Epoch[]): string {
  const { error, validation } = epochs.at(-1)!;
  const validated = validation === null ? '' : `, validation ${(100 * validation).toFixed(1)} %`;
  return `epoch ${epochs.length}: training error ${(100 * error).toFixed(1)} %${validated}`;
}

const ended = (child: ChildProcess): Promise<number | string> =>
  new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });

const epochOf = ({ loss, error1, validation }: EpochRecord): Epoch => ({
  loss,
  error: error1,
  validation: validation?.error1 ?? null,
});

/** In the child: one run. A word from the parent stops it after the call under way; so does the parent's end. */
async function main({ experiment, where }: { experiment: Experiment; where: Where }): Promise<void> {
  const { key, options, until = 0 } = experiment;
  const abort = new AbortController();
  const finish = (why: RunRecord['ended']): void => {
    stop ??= why;
    abort.abort();
  };
  let stop: RunRecord['ended'];
  process.on('message', () => finish('hopeless'));
  process.on('disconnect', () => abort.abort());
  const out = join(where.folder, key);
  const before = checkpointIn(out);
  const epochs = before ? readCheckpoint(before).progress.history.map(epochOf) : [];
  const { device } = await chooseDevice(where.device);
  try {
    await train({
      ...options,
      data: experiment.data ?? where.data,
      device,
      threads: where.threads,
      out,
      resume: true,
      signal: abort.signal,
      epoch(record) {
        epochs.push(epochOf(record));
        process.send?.({ epochs, seconds: record.seconds } satisfies Message);
        if (record.error1 < until) finish('until');
      },
    });
  } catch (error) {
    if ((error as Error).name !== 'Diverged') throw error;
    stop = 'diverged';
  }
  if (!process.connected) return;
  const { seed = 0 } = options;
  const made = madeBy(experiment);
  process.send!({
    record: { key, seed, device, made, epochs, ...(stop ? { ended: stop } : {}) },
  } satisfies Message);
  process.disconnect();
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url))
  void main(JSON.parse(process.argv[2]));
