/**
 * Where the batches of one or several devices are made. A group of pictures stays together; small ones, of calls that
 * come one by one, share a run: while a device computes, those that are ready wait, and go together when it is free.
 */
import type { Storage } from '../../reference/tensor.ts';
import type { Engine } from './engine.ts';

type Inputs = Parameters<Engine['probabilities']>[0];

export interface QueueOptions {
  /** Most pictures a run. */
  readonly maxBatch: number;
  /** Milliseconds for which a free device waits for a full batch; default 0. */
  readonly maxDelayMs?: number;
}

export interface Queue {
  /**
   * Probabilities, row by row, of the inputs of one group. `pictures`: how many it had to begin with: what is put
   * together depends on them alone, and not on which could be read.
   */
  compute(inputs: Inputs, pictures: number, signal?: AbortSignal): Promise<Storage>;
}

interface Group {
  readonly inputs: Inputs;
  readonly pictures: number;
  readonly since: number;
  readonly signal?: AbortSignal;
  resolve(probabilities: Storage): void;
  reject(error: unknown): void;
}

/** Groups that are given their results at once. */
const PORTION = 8;

export function openQueue(
  engines: readonly Pick<Engine, 'probabilities'>[],
  { maxBatch, maxDelayMs = 0 }: QueueOptions,
): Queue {
  /** The one that was given work last is the last. */
  const devices = engines.map((engine) => ({ engine, runs: 0 }));
  const waiting: Group[] = [];
  let timer: NodeJS.Timeout | undefined;

  /** How many groups the next run takes, and whether another one of them would not fit. */
  function next(): { readonly count: number; readonly full: boolean } {
    let pictures = waiting[0].pictures;
    let count = 1;
    while (count < waiting.length && pictures + waiting[count].pictures <= maxBatch)
      pictures += waiting[count++].pictures;
    return { count, full: pictures >= maxBatch || count < waiting.length };
  }

  /** A full batch is sent while another is computed, so that the device never waits; one that may grow is not. */
  function send(): void {
    clearTimeout(timer);
    while (waiting.length > 0) {
      if (waiting[0].signal?.aborted) {
        const { reject, signal } = waiting.shift()!;
        reject(signal!.reason);
        continue;
      }
      const { count, full } = next();
      const device = devices.reduce((least, one) => (one.runs < least.runs ? one : least));
      if (device.runs >= (full ? 2 : 1)) return;
      const patience = waiting[0].since + maxDelayMs - performance.now();
      if (!full && patience > 0) {
        timer = setTimeout(send, patience);
        return;
      }
      void run(device, waiting.splice(0, count));
    }
  }

  async function run(device: (typeof devices)[number], groups: readonly Group[]): Promise<void> {
    device.runs++;
    devices.push(...devices.splice(devices.indexOf(device), 1));
    const inputs = groups.flatMap((group) => group.inputs);
    const all = await device.engine.probabilities(inputs).catch((error) => {
      for (const { reject } of groups) reject(error);
    });
    device.runs--;
    send();
    if (!all) return;
    let at = 0;
    for (const [i, { inputs: own, resolve }] of groups.entries()) {
      const length = (all.length / inputs.length) * own.length;
      resolve(all.subarray(at, at + length));
      at += length;
      // what waits for a hundred of them would keep everything else waiting
      if (i % PORTION === PORTION - 1) await new Promise(setImmediate);
    }
  }

  return {
    compute: (inputs, pictures, signal) =>
      new Promise((resolve, reject) => {
        waiting.push({ inputs, pictures, since: performance.now(), signal, resolve, reject });
        send();
      }),
  };
}

/** So many places; who finds too few waits, in the order of coming. */
export function openGate(places: number): {
  enter(count: number): Promise<void>;
  leave(count: number): void;
} {
  const waiting: { readonly count: number; enter(): void }[] = [];
  let free = places;
  const admit = (): void => {
    // more than there are places go in where nobody else is
    while (waiting.length > 0 && (waiting[0].count <= free || free === places)) {
      const { count, enter } = waiting.shift()!;
      free -= count;
      enter();
    }
  };
  return {
    enter: (count) =>
      new Promise((enter) => {
        waiting.push({ count, enter });
        admit();
      }),
    leave(count) {
      free += count;
      admit();
    },
  };
}
