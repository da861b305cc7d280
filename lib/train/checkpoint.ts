/**
 * Checkpoints: one safetensors file that holds everything, so that one rename commits it. Tensors: every
 * parameter, and its momentum as NAME.velocity; metadata 'training': a JSON text with options, schedule,
 * generator and position.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Principal } from '../../reference/input/pca.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import type { Schedule, ScheduleState } from '../../reference/training/schedule.ts';
import type { NumericValue } from '../array/value.ts';
import { openFile } from '../disk/source.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { openSafetensors, safetensorsPieces } from '../format/safetensors.ts';
import { GENERATOR } from '../format/strings.ts';
import { CLASSES } from '../labels/labels.ts';
import { firstNotFinite } from '../weights/fitted.ts';
import { formatPreprocess } from '../weights/preprocess.ts';
import type { Distortion, TrainOptions } from './options.ts';
import type { UnreadPicture } from './unread.ts';

/** Parameters and momenta, all by the parameters' names. */
export interface TrainingState {
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly momenta: ReadonlyMap<string, Tensor>;
}

/** One epoch's results. Errors are shares, 0 to 1; validation is null where there was none after that epoch. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** At its last step. */
  readonly learningRate: number;
  readonly loss: number;
  readonly error1: number;
  readonly error5: number;
  readonly validation: { readonly loss: number; readonly error1: number; readonly error5: number } | null;
  readonly seconds: number;
}

/**
 * What a run is and how far it is. Randomness is counter-based: seed and position are the generator's whole state.
 */
export interface Progress {
  readonly version: 1;
  readonly options: Omit<TrainOptions, 'data'>;
  readonly network: string;
  /** SHA-256 of the layers, where the network was given as a definition. */
  readonly definition?: string;
  readonly preprocess: Preprocess;
  readonly schedule: Schedule;
  readonly distortion: Distortion | null;
  readonly colours: Principal | null;
  readonly seed: number;
  readonly batch: number;
  readonly epochs: number;
  readonly classes: readonly string[];
  /** SHA-256 of the labels in order, and their number. */
  readonly data: string;
  readonly scheduleState: ScheduleState;
  /** Epochs done, steps done in the one under way, and in all. */
  readonly epoch: number;
  readonly stepInEpoch: number;
  readonly steps: number;
  /** Sums over the steps of the epoch under way. */
  readonly sums: { readonly loss: number; readonly wrong1: number; readonly wrong5: number };
  readonly epochSeconds: number;
  readonly history: readonly EpochRecord[];
  /** Pictures that were found not to be readable; files of before there was this have none. */
  readonly unread?: readonly UnreadPicture[];
  /** The epoch with the lowest validation error so far. */
  readonly best: { readonly epoch: number; readonly error1: number } | null;
  /** Bytes of log.jsonl that belong to what is done. */
  readonly logBytes: number;
}

export const CHECKPOINT = 'checkpoint.safetensors';
const VELOCITY = '.velocity';
const KEY = 'training';

export const checkpointIn = (folder: string): string | null =>
  existsSync(join(folder, CHECKPOINT)) ? join(folder, CHECKPOINT) : null;

/** Replaces a file of a folder that is the run's own (folder.ts). */
export const writeOwn = (path: string, content: string | Iterable<Uint8Array>): Promise<void> =>
  writeWhole({ path, mark: null, own: true, content });

/** Replaces the folder's checkpoint at once. Rejects with InputError; the one before is then still there. */
export async function saveCheckpoint(
  folder: string,
  progress: Progress,
  state: TrainingState,
): Promise<void> {
  const tensors = [
    ...arraysOf(state.weights),
    ...[...arraysOf(state.momenta)].map(([name, array]) => [`${name}${VELOCITY}`, array] as const),
  ];
  const metadata = new Map([
    ['generator', GENERATOR],
    [KEY, JSON.stringify(progress)],
  ]);
  await writeOwn(join(folder, CHECKPOINT), safetensorsPieces(tensors, metadata));
}

/** Weights alone, as every other command reads them. */
export async function saveWeights(
  path: string,
  network: string,
  preprocess: Preprocess,
  weights: ReadonlyMap<string, Tensor>,
  classes?: readonly string[],
): Promise<void> {
  const metadata = new Map([
    ['generator', GENERATOR],
    ['network', network],
    ['preprocess', formatPreprocess(preprocess)],
  ]);
  if (classes) metadata.set(CLASSES, JSON.stringify(classes));
  await writeOwn(path, safetensorsPieces(arraysOf(weights), metadata));
}

const arraysOf = (tensors: ReadonlyMap<string, Tensor>): [string, NumericValue][] =>
  [...tensors].map(([name, t]) => [
    name,
    { dtype: 'float32', shape: t.shape, data: dense(t) as Float32Array<ArrayBuffer> },
  ]);

/**
 * From 2²⁴ on neighbouring float32 numbers are at least 2 apart: a step of less than 1 no longer changes such a
 * weight, so that no training brings it back.
 */
const LARGEST = 2 ** 24;

/** What is wrong with the first parameter or momentum that training cannot go on from, or null. */
export function damaged({ weights, momenta }: TrainingState): string | null {
  for (const [name, value] of weights) {
    const data = dense(value);
    if (firstNotFinite(data) >= 0) return `${name} is not a number any more`;
    const large = data.find((w) => Math.abs(w) >= LARGEST);
    if (large !== undefined) return `a weight of ${name} has grown to ${large.toExponential(1)}`;
  }
  for (const [name, value] of momenta) {
    if (firstNotFinite(dense(value)) >= 0) return `the momentum of ${name} is not a number any more`;
  }
  return null;
}

/** Reads one. Throws InputError naming the file if it is damaged, or not a checkpoint of this program. */
export function readCheckpoint(path: string): { progress: Progress; state: TrainingState } {
  const source = openFile(path);
  try {
    const { tensors, metadata } = openSafetensors(source);
    const progress = progressOf(path, metadata.get(KEY));
    const state = { weights: new Map<string, Tensor>(), momenta: new Map<string, Tensor>() };
    for (const [name, array] of tensors) {
      const { dtype, shape, data } = array.read();
      if (dtype !== 'float32') throw new InputError(`${path}: ${name} is ${dtype}, not float32`);
      const value = tensor(data as Float32Array, shape);
      if (name.endsWith(VELOCITY)) state.momenta.set(name.slice(0, -VELOCITY.length), value);
      else state.weights.set(name, value);
    }
    for (const [name, { shape }] of state.weights) {
      if (state.momenta.get(name)?.shape.join() !== shape.join())
        throw new InputError(`${path}: there is no momentum for ${name}`);
    }
    return { progress, state };
  } finally {
    source.close();
  }
}

function progressOf(path: string, text: string | undefined): Progress {
  if (text === undefined) throw new InputError(`${path}: weights, but no checkpoint of a training run`);
  let value: Partial<Progress> | null;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: its description of the run is not valid JSON`);
  }
  const counts = [value?.seed, value?.batch, value?.epochs, value?.epoch, value?.stepInEpoch, value?.steps];
  if (value?.version !== 1) throw new InputError(`${path}: a checkpoint of version ${value?.version}, not 1`);
  if (!counts.every((n) => Number.isSafeInteger(n) && n! >= 0) || !Array.isArray(value.history)) {
    throw new InputError(`${path}: its description of the run is incomplete`);
  }
  return value as Progress;
}
