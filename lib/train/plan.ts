/** What a run's position says about its steps: which images, which learning rate, which graph. */
import type { Augmentation } from '../../reference/input/augment.ts';
import { inputsOf, shapes, weightShapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { defaultFactor, type Factor } from '../../reference/training/optimiser.ts';
import { factorsFor, type ScheduleSettings, settingsAt } from '../../reference/training/schedule.ts';
import type { Progress } from './checkpoint.ts';
import type { StepperSpec } from './device.ts';
import {
  type Cache,
  cacheFor,
  type FeedSpec,
  isCached,
  type MaskSpec,
  type StepJob,
  type Unfinished,
} from './feed.ts';
import { orderOf } from './images.ts';
import type { Setup } from './start.ts';

export const stepsPerEpoch = ({ parts, progress }: Setup): number =>
  Math.floor(parts.train.count / progress.batch);

/** The settings of step number `step` of the whole run. */
export const settingsOf = (progress: Progress, step: number, perEpoch: number): ScheduleSettings =>
  settingsAt(progress.schedule, progress.scheduleState, step, perEpoch);

/** The dropout layers' masks, for a batch. */
function masksOf({ network, progress }: Setup): MaskSpec[] {
  if (progress.options.dropout === false) return [];
  const known = shapes(network, progress.batch);
  return network.layers.flatMap((layer, index) => {
    if (layer.kind !== 'dropout') return [];
    const input = inputsOf(network, index)[0];
    const size = sizeOf(input === 'input' ? [progress.batch, ...network.input] : known.get(input)!);
    return [{ layer: layer.name, size, ratio: layer.attributes.ratio }];
  });
}

function augmentationOf({ network, progress }: Setup): Augmentation {
  const { pad: _, ...how } = progress.distortion ?? {
    offsets: 'all',
    mirror: false,
    chunk: 1,
    lighting: 'none',
    pad: 0,
  };
  return { crop: network.input[1], ...how } as Augmentation;
}

/** What the threads that assemble steps are told once. */
export function feedSpecOf(setup: Setup): FeedSpec {
  const { network, parts, progress } = setup;
  const side = network.preprocess.resize.size;
  return {
    preprocess: network.preprocess,
    side,
    pad: progress.distortion?.pad ?? 0,
    seed: progress.seed,
    batch: progress.batch,
    how: augmentationOf(setup),
    augmented: progress.distortion !== null,
    ...(progress.colours ? { colours: progress.colours } : {}),
    masks: masksOf(setup),
    cache: cacheFor(parts.train.count, side),
  };
}

/** Orders that are kept: steps of two epochs are made ready at once. */
const ORDERS = 2;

/**
 * The steps from the run's position to its last epoch. The images of an epoch are all in an order of its own; those
 * that fill no batch are left out. The place of a picture that cannot be read is taken by the next one of that order
 * that can be, which the epoch so sees twice: all batches stay whole, no step waits for what another finds, and what a
 * step is depends on which pictures can be read, not on when that was noticed.
 */
export function planOf(setup: Setup, cache: Cache | undefined) {
  const { parts, progress, unread } = setup;
  const { train } = parts;
  const { batch, seed, epochs } = progress;
  const perEpoch = stepsPerEpoch(setup);
  const orders = new Map<number, Uint32Array>();
  const orderIn = (epoch: number): Uint32Array => {
    const order = orders.get(epoch) ?? orderOf(seed, 'train.order', epoch, train.count);
    orders.set(epoch, order);
    if (orders.size > ORDERS) orders.delete(Math.min(...orders.keys()));
    return order;
  };
  const jobAt = (step: number): StepJob => {
    const order = orderIn(Math.floor(step / perEpoch));
    const first = (step % perEpoch) * batch;
    const indices = Array.from({ length: batch }, (_, n) => {
      let at = first + n;
      while (unread.has('training', order[at])) at = (at + 1) % order.length;
      return order[at];
    });
    const { lighting } = settingsOf(progress, step, perEpoch);
    const pictures = indices.map((i) => (isCached(cache, i) ? null : train.picture(i)));
    return { step, first: step * batch, lighting, indices, pictures };
  };
  function* jobs(): Generator<StepJob> {
    const first = progress.epoch * perEpoch + progress.stepInEpoch;
    for (let step = first; step < epochs * perEpoch; step++) yield jobAt(step);
  }
  const instead = ({ step, indices }: StepJob, { images, places, errors }: Unfinished): StepJob => {
    for (const [n, place] of places.entries())
      unread.add({ part: 'training', index: indices[place], error: errors[n] });
    const job = jobAt(step);
    const others = job.indices.flatMap((index, n) => (index === indices[n] ? [] : n));
    return { ...job, begun: { images, places: others } };
  };
  return { jobs: jobs(), instead };
}

/** Each parameter's factors on learning rate and decay. */
function factorsOf({ network, progress }: Setup, settings: ScheduleSettings): Map<string, Factor> {
  const { update = 'paper', biasDecay, freeze = [], layerRates = {} } = progress.options;
  const base = (parameter: string): Factor => {
    const factor = defaultFactor(update, parameter);
    const own = biasDecay === undefined || !parameter.endsWith('.bias');
    return own ? factor : { ...factor, decay: Number(biasDecay) };
  };
  const factors = factorsFor(settings, [...weightShapes(network).keys()], base);
  // last: a schedule with a rate for all biases does not thaw a layer
  for (const [parameter, { rate, decay }] of factors) {
    const layer = parameter.slice(0, parameter.lastIndexOf('.'));
    const times = freeze.includes(layer) ? 0 : (layerRates[layer] ?? 1);
    factors.set(parameter, { rate: rate * times, decay });
  }
  return factors;
}

/** The graph for the epoch that begins with these settings. */
export function stepperSpecOf(setup: Setup, spec: FeedSpec, settings: ScheduleSettings): StepperSpec {
  const { network, progress } = setup;
  const { update = 'paper', momentum = 0.9, weightDecay = 0.0005 } = progress.options;
  return {
    network,
    batch: progress.batch,
    augment: { side: spec.side + 2 * spec.pad, how: spec.how },
    dropout: spec.masks.length > 0,
    masks: spec.masks,
    rule: update === 'as-run' ? 'paper' : update,
    momentum,
    weightDecay,
    factors: factorsOf(setup, settings),
  };
}
