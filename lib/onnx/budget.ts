/**
 * What one run of the evaluator may cost: memory for the values that it holds at once, executions of nodes, CPU time.
 *
 * A run is synchronous, so that a thread has one at a time: the budget in force is this module's, and whatever
 * allocates asks it without being handed it.
 */
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Value } from '../array/value.ts';

export interface Limits {
  /** MiB of values held at once, the model's own weights not counted (a quarter of this machine's memory). */
  readonly maxMemory?: number;
  /** Executions of nodes, every round of a loop counted (10,000,000). */
  readonly maxNodes?: number;
  /** Seconds of CPU time (3600). Looked at between nodes. */
  readonly maxSeconds?: number;
}

const MIB = 2 ** 20;

class Budget {
  readonly #maxMemory: number;
  readonly #maxNodes: number;
  readonly #maxSeconds: number;
  readonly #start = process.cpuUsage();
  #nodes = 0;
  /** Bytes of the values that are held. Whoever adds to it for a while sets it back. */
  held = 0;

  constructor({ maxMemory = totalmem() / 4 / MIB, maxNodes = 10_000_000, maxSeconds = 3600 }: Limits = {}) {
    this.#maxMemory = maxMemory;
    this.#maxNodes = maxNodes;
    this.#maxSeconds = maxSeconds;
  }

  /** Throws where one more execution of a node is too much, or the time is up. */
  step(): void {
    if (++this.#nodes > this.#maxNodes) {
      throw new Error(`the run executes more than ${this.#maxNodes} nodes, its budget (raise --max-nodes)`);
    }
    const { user, system } = process.cpuUsage(this.#start);
    if (user + system > this.#maxSeconds * 1e6) {
      throw new Error(
        `the run takes over ${this.#maxSeconds} s of CPU time, its budget (raise --max-seconds)`,
      );
    }
  }

  /** Throws where so many bytes are more than the run may have, beside what it holds (`alone`: without that). */
  fit(bytes: number, alone = false): void {
    if (bytes + (alone ? 0 : this.held) <= this.#maxMemory * MIB) return;
    const most = Math.floor(this.#maxMemory);
    throw new Error(`the values of the run take over ${most} MiB, its budget (raise --max-memory)`);
  }

  hold(value: Value): number {
    const bytes = 'byteLength' in value.data ? value.data.byteLength : 8 * value.data.length;
    this.fit(bytes);
    this.held += bytes;
    return bytes;
  }
}

let current = new Budget();

/** The budget of the run that is under way. */
export const budget = (): Budget => current;

/** Does `work` under a budget of its own. */
export function withBudget<T>(limits: Limits, work: () => T): T {
  const before = current;
  current = new Budget(limits);
  try {
    return work();
  } finally {
    current = before;
  }
}

/** Strings lie in V8's heap, which has a limit of its own: eight bytes each and what they hold. */
export function fitStrings(count: number): void {
  if (8 * count <= getHeapStatistics().heap_size_limit / 4) return;
  throw new Error(
    `${count} strings take over a quarter of Node's heap (raise NODE_OPTIONS=--max-old-space-size)`,
  );
}
