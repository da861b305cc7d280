/**
 * The contest: every engine in its own process, all of them loaded, asked in turn round after round, so that what else
 * the machine does meets all alike. Medians over the rounds, per image.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineName, Start, Timing } from './child.ts';
import { nodeOf } from './peers.ts';
import { median } from './statistics.ts';

export interface Entrant extends Omit<Start, 'network'> {
  readonly engine: EngineName;
  /** As tables and results.json call it. */
  readonly name: string;
  /** Runs under this Node; default: the one that runs the benchmark. */
  readonly node?: 'node22' | 'node24';
  readonly flags?: readonly string[];
  /** Seconds an image: only batch 1 and few rounds. */
  readonly slow?: boolean;
}

export interface Row {
  readonly network: string;
  readonly batch: number;
  readonly threads: number;
  readonly engine: string;
  /** Medians, per image. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** CPU time over that of onnxruntime-node with one thread. */
  readonly ratio: number;
  /** The same of the least CPU times: a busy machine takes caches away, from large working sets most of all. */
  readonly leastRatio: number;
  /** Least wall time, per image: on a busy machine, the only one that tells about threads. */
  readonly bestWallMs: number;
  /** Largest relative difference to the oracle's outputs. */
  readonly difference: number;
  readonly peakMB: number;
}

export interface Plan {
  readonly network: string;
  readonly batches: readonly number[];
  readonly rounds: number;
}

const yardstick = ({ engine, threads }: Entrant): boolean => engine === 'onnxruntime-node' && threads === 1;

interface Opened {
  readonly entrant: Entrant;
  readonly child: ChildProcess;
}

async function open(entrant: Entrant, network: string): Promise<Opened> {
  const { node, flags = [], engine, threads, accumulate, wide } = entrant;
  const start: Start = { engine, network, threads, accumulate, wide };
  const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [JSON.stringify(start)], {
    execPath: node ? nodeOf(node) : process.execPath,
    execArgv: [...flags, '--import', 'tsx'],
  });
  await reply(child, entrant);
  return { entrant, child };
}

/** The child's next message. Throws if it ends instead. */
async function reply(child: ChildProcess, { name }: Entrant): Promise<unknown> {
  const ended = new AbortController();
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code]) => {
    throw new Error(`${name} ended with ${code}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message', { signal: ended.signal }), exit])) as [
      unknown,
    ];
    return message;
  } finally {
    exit.catch(() => {});
    ended.abort();
  }
}

async function time({ child, entrant }: Opened, batch: number): Promise<Timing> {
  child.send(batch);
  return (await reply(child, entrant)) as Timing;
}

/** One network: opens all engines, validates every one on every batch, then times them in turn. */
export async function contest(
  { network, batches, rounds }: Plan,
  entrants: readonly Entrant[],
  say: (line: string) => void,
): Promise<Row[]> {
  const opened: Opened[] = [];
  try {
    for (const entrant of entrants) opened.push(await open(entrant, network));
    const rows: Row[] = [];
    for (const batch of batches) {
      const running = opened.filter(({ entrant }) => batch === 1 || !entrant.slow);
      rows.push(...(await rowsOf(running, network, batch, rounds, say)));
    }
    return rows;
  } finally {
    for (const { child } of opened) child.kill();
  }
}

async function rowsOf(
  running: readonly Opened[],
  network: string,
  batch: number,
  rounds: number,
  say: (line: string) => void,
): Promise<Row[]> {
  const expected = (await time(running.find(({ entrant }) => entrant.engine === 'oracle')!, batch)).output;
  const timings = new Map<Opened, Timing[]>(running.map((one) => [one, []]));
  const differences = new Map<Opened, number>();
  for (const one of running) {
    const difference = relative((await time(one, batch)).output, expected);
    if (!(difference < 1e-3)) throw new Error(`${one.entrant.name} computes something else (${difference})`);
    differences.set(one, difference);
    // code is compiled by stages while it runs
    for (let i = 0; i < (one.entrant.slow ? 1 : 4); i++) await time(one, batch);
  }
  for (let round = 0; round < rounds; round++) {
    say(`${network}, batch ${batch}: round ${round + 1} of ${rounds}`);
    for (const one of running) {
      if (!one.entrant.slow || round < 3) timings.get(one)!.push(await time(one, batch));
    }
  }
  const cpu = (one: Opened) => median(timings.get(one)!.map(({ cpuMs }) => cpuMs)) / batch;
  const least = (one: Opened) => Math.min(...timings.get(one)!.map(({ cpuMs }) => cpuMs)) / batch;
  const unit = running.find(({ entrant }) => yardstick(entrant))!;
  return running.map((one) => {
    const walls = timings.get(one)!.map(({ wallMs }) => wallMs / batch);
    const { threads, name } = one.entrant;
    return {
      ...{ network, batch, threads, engine: name },
      cpuMs: round(cpu(one)),
      wallMs: round(median(walls)),
      ratio: round(cpu(one) / cpu(unit)),
      leastRatio: round(least(one) / least(unit)),
      bestWallMs: round(Math.min(...walls)),
      difference: Number(differences.get(one)!.toExponential(1)),
      peakMB: Math.round(timings.get(one)!.at(-1)!.peakMB),
    };
  });
}

const round = (value: number): number => Number(value.toPrecision(4));

/** ‖a − b‖∞ / ‖b‖∞. */
function relative(a: readonly number[], b: readonly number[]): number {
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...b.map((v, i) => Math.abs(a[i] - v))) / largest;
}
