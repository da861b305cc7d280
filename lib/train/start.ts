/** A run from its beginning, or from its checkpoint: everything that the loop needs and that does not change. */

import { createHash } from 'node:crypto';
import { type Principal, principal } from '../../reference/input/pca.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { scheduleStart } from '../../reference/training/schedule.ts';
import { resolveNetwork } from '../checks.ts';
import type { Dataset, Split } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { type Progress, readCheckpoint, type TrainingState } from './checkpoint.ts';
import { coloursOf, fingerprint, type Parts, partsOf } from './images.ts';
import { begin, networkFor, refit } from './network.ts';
import { circumstances, type Distortion, distortionOf, scheduleOf, type TrainOptions } from './options.ts';

export interface Setup {
  readonly network: Network;
  readonly parts: Parts;
  readonly progress: Progress;
  /** The state to begin with, once: nobody holds on to it, as it is large. */
  takeState(): TrainingState;
  readonly notes: readonly string[];
}

/** The defaults, but for those that depend on the data. */
const defaults = {
  network: 'auto',
  width: 1,
  epochs: 90,
  batch: 128,
  learningRate: 0.01,
  momentum: 0.9,
  weightDecay: 0.0005,
  update: 'paper',
  schedule: 'plateau',
  augment: 'standard',
  dropout: true,
  init: 'kaiming',
  seed: 0,
} as const satisfies Partial<TrainOptions>;

/** What is trained: the options without those that say where and how. */
function essence(options: TrainOptions): Omit<TrainOptions, 'data'> {
  const entries = Object.entries(options).filter(
    ([key, value]) => value !== undefined && !(circumstances as readonly string[]).includes(key),
  );
  return Object.fromEntries(entries);
}

/**
 * A new run, of `definition` in the place of a network by name. Rejects with InputError for data, weights or options
 * that do not fit.
 */
export async function start(data: Dataset, options: TrainOptions, definition?: Network): Promise<Setup> {
  const settled = { ...defaults, ...essence(options) };
  const { seed, epochs } = settled;
  const parts = partsOf(data, seed, options.images, options.validationImages);
  const { train } = parts;
  const chosen = networkFor(data, train.count, definition ?? settled.network, settled.width);
  const beginning = await begin(chosen.network, settled);
  checkFreeze(beginning.network, options.freeze);
  const distortion = distortionOf(settled.augment, data.format);
  const coloured = await withColours(beginning.network, train, distortion, options.threads);
  const { network, colours } = coloured;
  const batch = Math.min(settled.batch, train.count);
  const notes = [
    ...(chosen.note !== undefined && options.weights === undefined ? [chosen.note] : []),
    ...beginning.notes,
    ...parts.notes,
    ...(batch < settled.batch ? [`batch: ${batch}, as there are no more images`] : []),
    ...coloured.notes,
  ];
  const progress: Progress = {
    version: 1,
    options: settled,
    network: network.name,
    ...(definition ? { definition: definitionOf(definition) } : {}),
    preprocess: network.preprocess,
    schedule: scheduleOf(settled.schedule, settled.learningRate, epochs),
    distortion,
    colours,
    seed,
    batch,
    epochs,
    classes: data.classes,
    data: fingerprint(data, parts),
    scheduleState: scheduleStart,
    epoch: 0,
    stepInEpoch: 0,
    steps: 0,
    sums: { loss: 0, wrong1: 0, wrong5: 0 },
    epochSeconds: 0,
    history: [],
    best: null,
    logBytes: 0,
  };
  return { network, parts, progress, takeState: once(beginning.state), notes };
}

/**
 * The network, with the mean colour of the training images in the place of a mean image that it needs; and the
 * principal components of their colours, where lighting varies them.
 */
async function withColours(
  network: Network,
  train: Split,
  distortion: Distortion | null,
  threads: number | undefined,
): Promise<{ network: Network; colours: Principal | null; notes: string[] }> {
  const { preprocess } = network;
  const needsMean = preprocess.meanImage === 'required';
  const needsLight = distortion !== null && distortion.lighting !== 'none';
  if (!needsMean && !needsLight) return { network, colours: null, notes: [] };
  const found = await coloursOf(train, preprocess, threads);
  const colours = needsLight ? principal(found.covariance) : null;
  if (!needsMean) return { network, colours, notes: [] };
  const rgb = preprocess.range === 1 ? found.mean.map((m) => m / 255) : [...found.mean];
  const mean = preprocess.channels === 'RGB' ? rgb : rgb.reverse();
  return {
    network: { ...network, preprocess: { ...preprocess, meanImage: 'none', mean } },
    colours,
    notes: [`mean: the training images' colour ${mean.map((m) => m.toFixed(1)).join(', ')}`],
  };
}

/** What a definition is known by. Throws InputError where its name is that of a network of other layers. */
function definitionOf({ name, layers }: Network): string {
  const known = networks.find((network) => network.name === name);
  if (known && JSON.stringify(known.layers) !== JSON.stringify(layers))
    throw new InputError(`network: ${name} has other layers than these: give them a name of their own`);
  return createHash('sha256').update(JSON.stringify(layers)).digest('hex');
}

function once(state: TrainingState): () => TrainingState {
  let held: TrainingState | null = state;
  return () => {
    if (!held) throw new Error('setup: its state is taken already');
    const taken = held;
    held = null;
    return taken;
  };
}

function checkFreeze(network: Network, freeze: readonly string[] = []): void {
  const names = network.layers.filter((layer) => 'channels' in layer).map(({ name }) => name);
  const unknown = freeze.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new InputError(`--freeze: no layer '${unknown}' (there are: ${names.join(', ')})`);
  if (names.every((name) => freeze.includes(name)))
    throw new InputError('--freeze: all layers are frozen, so nothing would learn');
}

/** The run in a checkpoint. Rejects with InputError if it is damaged, or options or data are not its own. */
export async function resume(
  path: string,
  data: Dataset,
  options: TrainOptions,
  definition?: Network,
): Promise<Setup> {
  const { progress, state } = readCheckpoint(path);
  const epochs = checkSame(path, progress, options);
  const parts = partsOf(data, progress.seed, progress.options.images, progress.options.validationImages);
  if (fingerprint(data, parts) !== progress.data) {
    throw new InputError(`${data.path}: not the images with which ${path} was made`);
  }
  if (definition && definitionOf(definition) !== progress.definition)
    throw new InputError(`${path} was made with other layers than those given`);
  const named = { ...(definition ?? resolveNetwork(progress.network)), preprocess: progress.preprocess };
  const network = refit(named, state.weights, path);
  const done = `${progress.epoch} epochs and ${progress.stepInEpoch} steps are done`;
  const notes = [`goes on from ${path}: ${done}`];
  return { network, parts, progress: { ...progress, epochs }, takeState: once(state), notes };
}

/** Options given again must be the run's own, but for more epochs where the schedule does not depend on them. */
function checkSame(path: string, { options, schedule, epochs }: Progress, given: TrainOptions): number {
  const own: Readonly<Record<string, unknown>> = { ...options };
  let wanted = epochs;
  for (const [key, value] of Object.entries(essence(given))) {
    if (JSON.stringify(value) === JSON.stringify(own[key])) continue;
    if (key === 'epochs' && schedule.kind !== 'cosine' && schedule.kind !== 'step') wanted = value as number;
    else {
      const was = own[key] === undefined ? 'not given' : JSON.stringify(own[key]);
      throw new InputError(`${path} was made with ${key} ${was}, not ${JSON.stringify(value)}: leave it out`);
    }
  }
  return wanted;
}
