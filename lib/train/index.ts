/** Training and fine-tuning on a data set: what `alexnet train` does. */
import { join } from 'node:path';
import type { Network } from '../../reference/networks/layers.ts';
import { openDataset } from '../data/open.ts';
import type { Lock } from '../disk/lock.ts';
import { makeFolder } from '../disk/target.ts';
import { InputError } from '../errors.ts';
import { withExternalData } from '../onnx/files.ts';
import { chooseDevice, describeChoice } from '../runtime/devices.ts';
import { checkpointIn, readCheckpoint, saveWeights, writeOwn } from './checkpoint.ts';
import { BEST, run, titleOf, type Watching } from './epochs.ts';
import { CLASSES, claimFolder, classesText } from './folder.ts';
import { writeCurves } from './log.ts';
import { checkOptions, type TrainOptions } from './options.ts';
import type { TrainResult } from './result.ts';
import { resume, start } from './start.ts';

export type { EpochRecord } from './checkpoint.ts';
export { Diverged, type Glance, type Watching } from './epochs.ts';
export type { Distortion, TrainOptions } from './options.ts';
export type { TrainResult } from './result.ts';

/**
 * What is trained, and who watches. `network` may be a definition of your own (its last fully connected layer gets the
 * data's classes); a run that is resumed needs it again, and its weights fit no network of this program by name.
 */
export type TrainArguments = Omit<TrainOptions, 'network'> & {
  readonly network?: string | Network;
  /** Overwrite files in `out` that no run wrote. */
  readonly force?: boolean;
} & Watching;

/**
 * Trains. Everything random comes from the seed, so that a run is the same bits on the same device, resumed
 * or not. Writes into `out`: checkpoint.safetensors, best.safetensors, weights.safetensors, classes.txt,
 * log.csv, log.jsonl, curve.svg and curve.html.
 *
 * Rejects with InputError for data, weights or options that do not fit and for files that cannot be written,
 * with EnvironmentError for a device that is not there, with Diverged when the loss is no number any more.
 */
export async function train(options: TrainArguments): Promise<TrainResult> {
  const { log, progress, epoch, signal, force, network: wanted, ...others } = options;
  const definition = typeof wanted === 'object' ? wanted : undefined;
  const rest: TrainOptions = { ...others, network: typeof wanted === 'object' ? wanted.name : wanted };
  const watching: Watching = { log, progress, epoch, signal };
  checkOptions(rest);
  const out = rest.out ?? 'training';
  refuseFinished(out, rest.resume);
  const data = await openDataset(rest.data);
  const guard = { inputs: withExternalData([rest.weights ?? []].flat()), force };
  let lock: Lock | undefined;
  try {
    // a run that goes on owns its folder before it reads the checkpoint
    if (checkpointIn(out)) lock = await claimFolder(out, data.classes, guard);
    const found = checkpointIn(out);
    const device = await chooseDevice(rest.device ?? 'auto');
    const setup = found ? await resume(found, data, rest, definition) : await start(data, rest, definition);
    await makeFolder(out);
    lock ??= await claimFolder(out, data.classes, guard);
    if (!found) refuseFinished(out, false);
    if (rest.resume && !found) log?.(`${out} holds no checkpoint yet: the run begins`);
    for (const note of setup.notes) log?.(note);
    const { network, parts } = setup;
    const held = parts.validation ? `, ${parts.validation.count} to validate` : '';
    log?.(`${network.name}, ${parts.train.count} images of ${data.classes.length} classes${held}`);
    for (const line of describeChoice(device)) log?.(line);
    await writeOwn(join(out, CLASSES), classesText(data.classes));
    const outcome = await run(setup, device.device, { ...rest, out }, watching);
    const { history, best } = outcome.progress;
    const weights = join(out, 'weights.safetensors');
    const { state } = readCheckpoint(join(out, 'checkpoint.safetensors'));
    await saveWeights(weights, network.name, network.preprocess, state.weights, data.classes);
    await writeCurves(out, titleOf(outcome.progress), history, outcome.stopped);
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
      imagesPerSecond: outcome.imagesPerSecond,
      waited: outcome.waited,
      files: {
        checkpoint: join(out, 'checkpoint.safetensors'),
        weights,
        best: best ? join(out, BEST) : null,
      },
    };
  } finally {
    lock?.release();
    data.close();
  }
}

/** A run that is there is never begun anew; it may have come while this one was prepared. */
function refuseFinished(out: string, resume: boolean | undefined): void {
  const found = checkpointIn(out);
  if (found && !resume)
    throw new InputError(`${found} is there: --resume goes on with it, --out names another folder`);
}
