/** What a run's position says about its steps: which images, which learning rate, which graph. */
import type { Augmentation } from '../../reference/input/augment.ts';
import { inputsOf, shapes, weightShapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { defaultFactor, type Factor } from '../../reference/training/optimiser.ts';
import { factorsFor, type ScheduleSettings, settingsAt } from '../../reference/training/schedule.ts';
import type { Progress } from './checkpoint.ts';
import type { StepperSpec } from './device.ts';
import { type Cache, cacheFor, type FeedSpec, isCached, type MaskSpec, type StepJob } from './feed.ts';
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

/**
 * The steps from the run's position to its last epoch. The images of an epoch are all in an order of its own;
 * those that fill no batch are left out.
 */
export function* jobsOf(setup: Setup, cache: Cache | undefined): Generator<StepJob> {
  const { parts, progress } = setup;
  const { train } = parts;
  const { batch, seed, epochs } = progress;
  const perEpoch = stepsPerEpoch(setup);
  for (let epoch = progress.epoch; epoch < epochs; epoch++) {
    const order = orderOf(seed, 'train.order', epoch, train.count);
    const first = epoch === progress.epoch ? progress.stepInEpoch : 0;
    for (let s = first; s < perEpoch; s++) {
      const step = epoch * perEpoch + s;
      const indices = Array.from(order.subarray(s * batch, (s + 1) * batch));
      const { lighting } = settingsOf(progress, step, perEpoch);
      const pictures = indices.map((i) => (isCached(cache, i) ? null : train.picture(i)));
      yield { step, first: step * batch, lighting, indices, pictures };
    }
  }
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
