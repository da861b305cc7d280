/** Training and fine-tuning on a data set: what `alexnet train` does. */
import { join } from 'node:path';
import type { Network } from '../../reference/networks/layers.ts';
import { type Checks, called, checkAgainst, checkArgument, named, text, thing, truth } from '../checks.ts';
import { openDataset } from '../data/open.ts';
import type { Lock } from '../disk/lock.ts';
import { makeFolder } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { withExternalData } from '../onnx/files.ts';
import { percent } from '../report/table.ts';
import { type Choice, chooseDevice, describeChoice } from '../runtime/devices.ts';
import { withoutTf32 } from '../runtime/tf32.ts';
import {
  CHECKPOINT,
  checkpointIn,
  type EpochRecord,
  readCheckpoint,
  saveWeights,
  writeOwn,
} from './checkpoint.ts';
import { BEST, curveTitle, runEpochs, type Watching } from './epochs.ts';
import { CLASS_FILE, claimFolder, classesText, lookAtFolder, writeCurves } from './folder.ts';
import { optionChecks, type TrainOptions } from './options.ts';
import { type Inspection, inspect } from './rehearsal.ts';
import { resume, start } from './start.ts';
import { type UnreadPicture, unreadText } from './unread.ts';

export type { EpochRecord } from './checkpoint.ts';
export { Diverged } from './diverged.ts';
export type { Glance, Watching } from './epochs.ts';
export type { Distortion, TrainOptions } from './options.ts';

/**
 * What is trained, and who watches. `network` may be a definition of your own (its last fully connected layer gets
 * the data's classes); a run that is resumed needs it again, and its weights fit no network of this program by name.
 */
export type TrainArguments = Omit<TrainOptions, 'network'> & {
  readonly network?: string | Network;
  /** Overwrite files in `out` that no run wrote. */
  readonly force?: boolean;
} & Watching;

const checks: Checks<TrainArguments> = {
  ...optionChecks,
  network: named,
  force: truth,
  log: called,
  progress: called,
  epoch: called,
  signal: thing('an AbortSignal'),
};

export interface Rehearsal extends Inspection {
  readonly out: string;
  readonly device: Choice;
}

export interface TrainResult {
  readonly network: string;
  readonly device: Choice;
  readonly classes: readonly string[];
  /** Epochs done, and images in one. */
  readonly epochs: number;
  readonly images: number;
  readonly steps: number;
  readonly history: readonly EpochRecord[];
  /** The epoch with the lowest validation error (training error, where nothing is held out). */
  readonly best: { readonly epoch: number; readonly error1: number } | null;
  /** Whether the signal ended it. */
  readonly stopped: boolean;
  /** Pictures that could not be read and were skipped, those before a resumed run included. */
  readonly unread: readonly UnreadPicture[];
  /** Of this call alone: it did not train what a resumed run had done before. */
  readonly imagesPerSecond: number;
  /** Share of the training's time in which the device waited for images. */
  readonly waited: number;
  readonly files: {
    readonly checkpoint: string;
    /** The weights at the end, and at the best epoch, for every --weights. */
    readonly weights: string;
    readonly best: string | null;
  };
}

/**
 * Trains. Everything random comes from the seed, so that a run is the same bits on the same device, resumed
 * or not. Writes into `out`: checkpoint.safetensors, best.safetensors, weights.safetensors, classes.txt,
 * log.csv, log.jsonl, curve.svg and curve.html.
 *
 * Rejects with InputError for data, weights or options that do not fit and for files that cannot be written,
 * with EnvironmentError for a device that is not there, with Diverged when the loss is not a number any more.
 */
export async function train(options: TrainArguments): Promise<TrainResult> {
  const { rest, out, definition, guard, watching } = settled(options);
  const { log } = watching;
  const data = await openDataset(rest.data);
  let lock: Lock | undefined;
  try {
    // a run that goes on owns its folder before it reads the checkpoint
    if (checkpointIn(out)) lock = await claimFolder(out, data.classes, guard);
    const found = checkpointIn(out);
    const device = await chooseDevice(rest.device ?? 'auto');
    withoutTf32(device.device);
    const beside = { definition, log };
    const setup = found ? await resume(found, data, rest, beside) : await start(data, rest, beside);
    await makeFolder(out);
    lock ??= await claimFolder(out, data.classes, guard);
    if (!found) refuseFinished(out, false);
    if (rest.resume && !found) log?.(`${out} holds no checkpoint yet: the run begins`);
    for (const note of setup.notes) log?.(note);
    const { network, parts } = setup;
    const held = parts.validation ? `, ${parts.validation.count} to validate` : '';
    log?.(`${network.name}, ${parts.train.count} images of ${data.classes.length} classes${held}`);
    for (const line of describeChoice(device)) log?.(line);
    await writeOwn(join(out, CLASS_FILE), classesText(data.classes));
    const outcome = await runEpochs(setup, device, { ...rest, out }, watching);
    const { history, best } = outcome.progress;
    const weights = join(out, 'weights.safetensors');
    const { state } = readCheckpoint(join(out, CHECKPOINT));
    await saveWeights(weights, network.name, network.preprocess, state.weights, data.classes);
    await writeCurves(out, curveTitle(outcome.progress), history, outcome.stopped);
    return {
      network: network.name,
      device,
      classes: data.classes,
      epochs: outcome.progress.epoch,
      images: parts.train.count,
      steps: outcome.progress.steps,
      history,
      best,
      stopped: outcome.stopped,
      unread: setup.unread.all,
      imagesPerSecond: outcome.imagesPerSecond,
      waited: outcome.waited,
      files: {
        checkpoint: join(out, CHECKPOINT),
        weights,
        best: best ? join(out, BEST) : null,
      },
    };
  } finally {
    lock?.release();
    data.close();
  }
}

/** The arguments, checked and sorted. Throws InputError, also where a run is there that is not to go on. */
function settled(options: TrainArguments) {
  checkAgainst(checks, options, 'train');
  checkArgument('train: data', options.data, text);
  const { log, progress, epoch, signal, force, network: wanted, ...others } = options;
  const definition = typeof wanted === 'object' ? wanted : undefined;
  const rest: TrainOptions = { ...others, network: typeof wanted === 'object' ? wanted.name : wanted };
  const out = rest.out ?? 'training';
  refuseFinished(out, rest.resume);
  const guard = { inputs: withExternalData([rest.weights ?? []].flat()), force };
  const watching: Watching = { log, progress, epoch, signal };
  return { rest, out, definition, guard, watching };
}

/**
 * All that can be said before the first step, which is not made: options, data (every picture is decoded), weights,
 * the folder and memory. Writes nothing. Rejects as `train` does, and with EnvironmentError where memory is short.
 */
export async function rehearse(options: TrainArguments): Promise<Rehearsal> {
  const { rest, out, definition, guard, watching } = settled(options);
  const data = await openDataset(rest.data);
  try {
    await lookAtFolder(out, data.classes, guard);
    const found = checkpointIn(out);
    const device = await chooseDevice(rest.device ?? 'auto');
    const beside = { definition, log: watching.log };
    const setup = found ? await resume(found, data, rest, beside) : await start(data, rest, beside);
    for (const note of setup.notes) watching.log?.(note);
    return { out, device, ...(await inspect(setup, device.device, rest.threads)) };
  } finally {
    data.close();
  }
}

/** A run that is there is never begun anew; it may have come while this one was prepared. */
function refuseFinished(out: string, resume: boolean | undefined): void {
  const found = checkpointIn(out);
  if (found && !resume)
    throw new InputError(`${found} is there: --resume goes on with it, --out names another folder`);
}

/** A few lines for people. */
export function trainingText(result: TrainResult): string {
  const { network, epochs, steps, best, history, files, imagesPerSecond, waited } = result;
  const last = history.at(-1);
  const lines = [`${network}: ${epochs} epochs, ${steps} steps`];
  if (last) lines.push(`training    loss ${last.loss.toFixed(4)}, top-1 error ${percent(last.error1)}`);
  if (last?.validation) {
    const { loss, error1, error5 } = last.validation;
    lines.push(
      `validation  loss ${loss.toFixed(4)}, top-1 error ${percent(error1)}, top-5 error ${percent(error5)}`,
    );
  }
  if (best) {
    const which = history.some(({ validation }) => validation) ? 'validation' : 'training';
    lines.push(`best        ${which} top-1 error ${percent(best.error1)} after epoch ${best.epoch}`);
  }
  if (imagesPerSecond > 0) {
    lines.push(
      `speed       ${imagesPerSecond.toFixed(1)} images/s; the device waited ${percent(waited)} of the time`,
    );
  }
  if (result.unread.length > 0) lines.push(`skipped     ${unreadText(result.unread)}`);
  return `${[...lines, `weights     ${files.best ?? files.weights}`].join('\n')}\n`;
}

export function trainingJson(result: TrainResult) {
  const { device, ...rest } = result;
  return { version: 1, ...rest, device: device.device };
}
