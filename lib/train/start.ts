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
import { FINE, settle } from './recipe.ts';
import { openUnread, type Unread } from './unread.ts';

export interface Setup {
  readonly network: Network;
  readonly parts: Parts;
  readonly unread: Unread;
  readonly progress: Progress;
  /** The state to begin with, once: nobody holds on to it, as it is large. */
  takeState(): TrainingState;
  readonly notes: readonly string[];
}

/** What is trained: the options without those that say where and how. */
function essence(options: TrainOptions): Omit<TrainOptions, 'data'> {
  const entries = Object.entries(options).filter(
    ([key, value]) => value !== undefined && !(circumstances as readonly string[]).includes(key),
  );
  return Object.fromEntries(entries);
}

/** What is not among the options: a network in the place of one by name, and who is told of unreadable pictures. */
interface Beside {
  readonly definition?: Network;
  readonly log?: (line: string) => void;
}

/** A new run. Rejects with InputError for data, weights or options that do not fit. */
export async function start(
  data: Dataset,
  options: TrainOptions,
  { definition, log }: Beside = {},
): Promise<Setup> {
  const asked = essence(options);
  const { seed = 0 } = asked;
  const parts = partsOf(data, seed, options.images, options.validationImages);
  const { train } = parts;
  const { strict, threads } = options;
  const unread = openUnread(data, parts, { strict, log });
  const wanted = settle(asked, train.count);
  const chosen = networkFor(data, train.count, definition ?? wanted.network, wanted.width);
  const beginning = await begin(chosen.network, wanted);
  const settled = withRates(wanted, beginning.network, beginning.anew);
  const { epochs } = settled;
  const distortion = distortionOf(settled.augment, data.format);
  const scale = settled.scale && settled.weights === undefined;
  const coloured = await withColours(beginning.network, train, { distortion, scale, unread, threads });
  const { network, colours } = coloured;
  const batch = Math.min(settled.batch, train.count);
  const notes = [
    ...(chosen.note !== undefined && options.weights === undefined ? [chosen.note] : []),
    ...beginning.notes,
    ...parts.notes,
    ...(batch < settled.batch ? [`batch: ${batch}, as there are no more images`] : []),
    ...coloured.notes,
    ...(asked.learningRate === undefined && typeof settled.schedule === 'string'
      ? [`learning rate: ${settled.learningRate}, for batches of ${batch} (--learning-rate takes another)`]
      : []),
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
  return { network, parts, unread, progress, takeState: once(beginning.state), notes };
}

/** The layer that begins anew among learned ones learns as fast as if all did, unless that is said. */
function withRates<T extends TrainOptions | Omit<TrainOptions, 'data'>>(
  options: T,
  network: Network,
  anew: string | undefined,
): T {
  const { layerRates } = options;
  for (const [option, layers] of [
    ['--freeze', options.freeze ?? []],
    ['--layer-rates', Object.keys(layerRates ?? {})],
  ] as const)
    checkLayers(network, option, layers);
  if (anew === undefined || layerRates !== undefined) return options;
  return { ...options, layerRates: { [anew]: 1 / FINE } };
}

interface ColourOptions {
  readonly distortion: Distortion | null;
  readonly scale: boolean;
  readonly unread: Unread;
  readonly threads?: number;
}

/**
 * The network, with the mean colour of the training images in the place of a mean image that it needs, and with
 * `scale` divided by their deviation where it takes raw pixels; and the principal components of their colours, where
 * lighting varies them.
 */
async function withColours(
  network: Network,
  train: Split,
  { distortion, scale, unread, threads }: ColourOptions,
): Promise<{ network: Network; colours: Principal | null; notes: string[] }> {
  const { preprocess } = network;
  const needsMean = preprocess.meanImage === 'required';
  const needsScale = scale && preprocess.range === 255 && preprocess.deviation.every((d) => d === 1);
  const needsLight = distortion !== null && distortion.lighting !== 'none';
  if (!needsMean && !needsScale && !needsLight) return { network, colours: null, notes: [] };
  const found = await coloursOf(train, unread, preprocess, threads);
  const colours = needsLight ? principal(found.covariance) : null;
  const own = { ...preprocess };
  const notes: string[] = [];
  const ordered = (rgb: readonly number[]) => (preprocess.channels === 'RGB' ? rgb : rgb.toReversed());
  const told = (values: readonly number[]) => values.map((value) => value.toFixed(1)).join(', ');
  if (needsMean) {
    own.meanImage = 'none';
    own.mean = ordered(found.mean.map((m) => (m * preprocess.range) / 255)) as typeof own.mean;
    notes.push(`mean: the training images' colour ${told(own.mean)}`);
  }
  if (needsScale) {
    // of one colour alone there is no deviation
    own.deviation = ordered(found.covariance.map((row, i) => Math.sqrt(row[i]) || 1)) as typeof own.deviation;
    notes.push(`pixels: divided by the deviation of the training images, ${told(own.deviation)}`);
  }
  return { network: { ...network, preprocess: own }, colours, notes };
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

function checkLayers(
  network: Network,
  option: '--freeze' | '--layer-rates',
  layers: readonly string[],
): void {
  const names = network.layers.filter((layer) => 'channels' in layer).map(({ name }) => name);
  const unknown = layers.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new InputError(`${option}: no layer '${unknown}' (there are: ${names.join(', ')})`);
  if (option === '--freeze' && names.every((name) => layers.includes(name)))
    throw new InputError('--freeze: all layers are frozen, so nothing would learn');
}

/** The run in a checkpoint. Rejects with InputError if it is damaged, or options or data are not its own. */
export async function resume(
  path: string,
  data: Dataset,
  options: TrainOptions,
  { definition, log }: Beside = {},
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
  const unread = openUnread(data, parts, { strict: options.strict, before: progress.unread, log });
  return { network, parts, unread, progress: { ...progress, epochs }, takeState: once(state), notes };
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
