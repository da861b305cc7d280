/**
 * Training runs for figure1.ts and ablations.ts: each in a process of its own, several at once where asked for, resumed
 * where it was cut off, and its record kept as a file, so that machines can share the work: a run whose record is
 * there is not made again.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EpochRecord, type TrainArguments, train } from '../lib/train/index.ts';

export interface Experiment {
  /** Also the name of its folder and of its record. */
  readonly key: string;
  readonly options: Omit<TrainArguments, 'data' | 'out' | 'log' | 'progress' | 'epoch' | 'signal'>;
  /** It ends after the first epoch with a training error below. */
  readonly until?: number;
}

export interface RunRecord {
  readonly key: string;
  readonly seed: number;
  readonly device: string;
  /** Of every epoch: training loss and error (means over the epoch's steps, while it learned), validation error. */
  readonly epochs: readonly {
    readonly loss: number;
    readonly error: number;
    readonly validation: number | null;
  }[];
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

/** Whether a run need not go on, from its epochs so far. */
type Hopeless = (key: string, errors: readonly number[]) => boolean;

const recordPath = (folder: string, key: string): string => join(folder, `${key}.json`);

/** The record of a run that was made, or undefined. */
export function recordOf(folder: string, key: string): RunRecord | undefined {
  const path = recordPath(folder, key);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}

/** Makes the runs that have no record yet; answers all records in the experiments' order. */
export async function runAll(
  experiments: readonly Experiment[],
  where: Where,
  hopeless: Hopeless = () => false,
): Promise<RunRecord[]> {
  mkdirSync(where.folder, { recursive: true });
  const waiting = experiments.filter(({ key }) => recordOf(where.folder, key) === undefined);
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const record = await runApart(next, where, hopeless);
      writeFileSync(recordPath(where.folder, next.key), `${JSON.stringify(record)}\n`);
    }
  };
  await Promise.all(Array.from({ length: where.jobs }, worker));
  return experiments.map(({ key }) => recordOf(where.folder, key)!);
}

type Message = { readonly epoch: EpochRecord } | { readonly record: RunRecord };

async function runApart(experiment: Experiment, where: Where, hopeless: Hopeless): Promise<RunRecord> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify({ experiment, where })]);
  const errors: number[] = [];
  let told = false;
  let record: RunRecord | undefined;
  child.on('message', (message: Message) => {
    if ('record' in message) {
      record = message.record;
      return;
    }
    const { epoch, error1, validation, seconds } = message.epoch;
    errors[epoch - 1] = error1;
    const validated = validation ? `, validation ${(100 * validation.error1).toFixed(1)} %` : '';
    const line = `${experiment.key}: epoch ${epoch}: training error ${(100 * error1).toFixed(1)} %${validated}`;
    process.stderr.write(`${line} (${seconds.toFixed(1)} s)\n`);
    if (!told && hopeless(experiment.key, errors)) {
      told = true;
      child.send('stop');
    }
  });
  const code = await ended(child);
  if (!record) throw new Error(`${experiment.key}: its process ended with ${code}`);
  return told && record.ended === undefined ? { ...record, ended: 'hopeless' } : record;
}

const ended = (child: ChildProcess): Promise<number | string> =>
  new Promise((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });

/** In the child: one run; a word from the parent stops it after the epoch. */
async function main({ experiment, where }: { experiment: Experiment; where: Where }): Promise<void> {
  const { key, options, until = 0 } = experiment;
  const abort = new AbortController();
  process.on('message', () => abort.abort());
  const epochs: RunRecord['epochs'][number][] = [];
  let stop: RunRecord['ended'];
  const note = (record: EpochRecord): void => {
    const { loss, error1, validation } = record;
    epochs[record.epoch - 1] = { loss, error: error1, validation: validation?.error1 ?? null };
  };
  let device: string = where.device;
  try {
    const result = await train({
      ...options,
      data: where.data,
      device: where.device,
      threads: where.threads,
      out: join(where.folder, key),
      resume: true,
      signal: abort.signal,
      epoch(record) {
        note(record);
        process.send!({ epoch: record } satisfies Message);
        if (record.error1 < until) {
          stop = 'until';
          abort.abort();
        }
      },
    });
    for (const record of result.history) note(record);
    device = result.device.device;
  } catch (error) {
    if ((error as Error).name !== 'Diverged') throw error;
    stop = 'diverged';
  }
  const { seed = 0 } = options;
  process.send!({
    record: { key, seed, device, epochs, ...(stop ? { ended: stop } : {}) },
  } satisfies Message);
  process.disconnect();
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url))
  void main(JSON.parse(process.argv[2]));
