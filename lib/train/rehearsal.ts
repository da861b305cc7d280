/** What `alexnet train --dry-run` finds out: the pictures, all of them, and whether a step fits into memory. */
import { shapes, weightShapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { inGroups } from '../classify/pipeline.ts';
import type { Split } from '../data/dataset.ts';
import { openPool, type Pool } from '../data/pool.ts';
import { EnvironmentError } from '../errors.ts';
import { thousands } from '../report/table.ts';
import type { Device } from '../runtime/devices.ts';
import { inOrder } from '../runtime/threads.ts';
import { feedSpecOf, stepsPerEpoch } from './plan.ts';
import type { Setup } from './start.ts';
import { type UnreadPicture, unreadText } from './unread.ts';

interface ClassCount {
  readonly name: string;
  readonly training: number;
  readonly validation: number;
}

export interface Inspection {
  readonly network: string;
  readonly parameters: number;
  /** The file that the weights come from; null: they are random. */
  readonly weights: string | null;
  /** Epochs that a run to be resumed has done. */
  readonly done: number;
  readonly images: number;
  readonly validation: number;
  /** As they are labelled, unreadable ones included. */
  readonly classes: readonly ClassCount[];
  /** Shortest and longest side of all pictures that can be read. */
  readonly sides: readonly [number, number];
  readonly unread: readonly UnreadPicture[];
  readonly batch: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** Bytes: the process's peak, and what is there for it; null on a GPU, whose own memory is not looked at. */
  readonly memory: { readonly needed: number; readonly free: number } | null;
}

/** Decodes every picture once. Rejects with InputError as a run would, with EnvironmentError where memory is short. */
export async function inspect(setup: Setup, device: Device, threads?: number): Promise<Inspection> {
  const { network, parts, progress, unread } = setup;
  const needed = bytesOf(setup);
  const free = process.availableMemory();
  if (device === 'cpu' && needed > free)
    throw new EnvironmentError(
      `a step takes ${gigabytes(needed)} of memory, but ${gigabytes(free)} are free: try a smaller --batch or --width`,
    );
  const held = parts.validation;
  const counts = [parts.train, held].map((split) => countsOf(split, progress.classes.length));
  await using pool = openPool({ form: 'square', preprocess: network.preprocess }, { threads });
  const sides = [Number.POSITIVE_INFINITY, 0];
  for (const part of ['training', 'validation'] as const) {
    const split = part === 'training' ? parts.train : held;
    if (split) await look(setup, pool, part, split, sides);
  }
  return {
    network: network.name,
    parameters: [...weightShapes(network).values()].reduce((sum, shape) => sum + sizeOf(shape), 0),
    weights: progress.options.weights ?? null,
    done: progress.epoch,
    images: parts.train.count,
    validation: held?.count ?? 0,
    classes: progress.classes.map((name, k) => ({
      name,
      training: counts[0][k],
      validation: counts[1][k],
    })),
    sides: [sides[0], sides[1]],
    unread: unread.all,
    batch: progress.batch,
    stepsPerEpoch: stepsPerEpoch(setup),
    epochs: progress.epochs,
    memory: device === 'cpu' ? { needed, free } : null,
  };
}

function countsOf(split: Split | null, classes: number): number[] {
  const counts = Array<number>(classes).fill(0);
  for (let i = 0; i < (split?.count ?? 0); i++) counts[split!.label(i)]++;
  return counts;
}

/** Pictures that a thread decodes at a time. */
const GROUP = 8;

/** Notes what cannot be read, and the shortest and longest side of the others. */
async function look(
  { unread }: Setup,
  pool: Pool,
  part: UnreadPicture['part'],
  split: Split,
  sides: number[],
): Promise<void> {
  const left = Array.from({ length: split.count }, (_, i) => i).filter((i) => !unread.has(part, i));
  const looked = inOrder(inGroups(left, GROUP), 4 * pool.threads, async (group) => ({
    group,
    results: await pool.prepare(group.map(split.picture)),
  }));
  for await (const { group, results } of looked) {
    for (const [n, result] of results.entries()) {
      if ('error' in result) unread.add({ part, index: group[n], error: result.error });
      else
        for (const side of result.size ?? [])
          sides.splice(0, 2, Math.min(sides[0], side), Math.max(sides[1], side));
    }
  }
}

/** Node, onnxruntime and the threads that make batches, before anything is computed. */
const BASE = 350e6;

/**
 * Most memory that a step takes at a time. Of all parameters seven copies: weights and momenta before the step, in it
 * and after it, and the gradients; two more of the largest one, whose update is computed in steps; every layer's
 * output and the gradient with respect to it; the squares that are kept and those on their way.
 */
function bytesOf(setup: Setup): number {
  const { network, progress } = setup;
  const parameters = [...weightShapes(network).values()].map(sizeOf);
  const outputs = [...shapes(network, progress.batch).values()].map(sizeOf);
  const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  const { cache, side, pad } = feedSpecOf(setup);
  const underWay = 2 * progress.batch * 3 * (side + 2 * pad) ** 2;
  const kept = cache?.pixels.byteLength ?? 0;
  return BASE + 4 * (7 * sum(parameters) + 2 * Math.max(...parameters) + 2 * sum(outputs)) + kept + underWay;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** A few lines for people. */
export function rehearsalText(found: Inspection & { readonly out: string }): string {
  const { classes, weights, done, memory, unread } = found;
  const counts = classes.map(({ training }) => training);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const each = least === most ? `${least} each` : `${thousands(least)} to ${thousands(most)} each`;
  const begins = done > 0 ? `goes on after epoch ${done}` : `begins with ${weights ?? 'random weights'}`;
  const rows = [
    ['network', `${found.network}, ${thousands(found.parameters)} parameters, ${begins}`],
    ['training', `${thousands(found.images)} images of ${classes.length} classes, ${each}`],
    ['validation', found.validation > 0 ? `${thousands(found.validation)} images` : 'none'],
    ['sides', `${found.sides[0]} to ${found.sides[1]} pixels`],
    ...(unread.length > 0 ? [['skipped', unreadText(unread)]] : []),
    ['steps', `${found.stepsPerEpoch} an epoch, of ${found.batch} images; at most ${found.epochs} epochs`],
    [
      'memory',
      memory
        ? `about ${gigabytes(memory.needed)} of ${gigabytes(memory.free)} that are free`
        : 'the GPU’s: not looked at',
    ],
    ['folder', `${found.out}: can be written`],
  ];
  return `${rows.map(([name, words]) => `${name.padEnd(12)}${words}`).join('\n')}\nnothing was trained or written (--dry-run)\n`;
}
