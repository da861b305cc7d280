/** What a run does where nothing is said: chosen from the data, so that it trains; or a recipe's, in full. */
import { schedules } from '../../reference/training/schedule.ts';
import type { recipeNames, TrainOptions } from './options.ts';

/** The defaults, but for batch and learning rate, which the data decide, and the last layer's deviation. */
const defaults = {
  network: 'auto',
  width: 1,
  epochs: 90,
  momentum: 0.9,
  weightDecay: 0.0005,
  update: 'paper',
  schedule: 'plateau',
  augment: 'standard',
  dropout: true,
  init: 'kaiming',
  scale: true,
  seed: 0,
} as const satisfies Partial<TrainOptions>;

/**
 * paper: "We trained our models using stochastic gradient descent with a batch size of 128 examples, momentum of 0.9,
 * and weight decay of 0.0005", from ε = 0.01, some 90 cycles, weights and pictures as they say (sections 4 and 5).
 */
const recipes = {
  paper: {
    ...defaults,
    network: 'alexnet2012',
    batch: 128,
    learningRate: 0.01,
    schedule: schedules.paper,
    augment: 'paper',
    init: 'paper',
    scale: false,
  },
} as const satisfies Record<(typeof recipeNames)[number], Partial<TrainOptions>>;

/** Steps that an epoch should have at least, and the paper's batch, which is the largest. */
const STEPS = 20;
const BATCH = 128;
const RATE = 0.01;
/** The paper's deviation: the loss begins near ln K; with Kaiming's it may be five times that. */
const LAST = 0.01;
/** Learned weights are only to be moved a little; a layer that begins anew among them learns as from the start. */
export const FINE = 0.1;

/**
 * ε is the paper's 0.01 at its 128 images, and goes with √batch: so the variance of an update keeps its size
 * (Krizhevsky, 'One weird trick for parallelizing convolutional neural networks', arXiv 1404.5997, section 5).
 */
export function settle(options: Partial<TrainOptions>, images: number) {
  const { recipe } = options;
  const given = { ...(recipe === undefined ? defaults : recipes[recipe]), ...options };
  const batch = given.batch ?? Math.min(BATCH, Math.max(1, Math.floor(images / STEPS)));
  const rate = RATE * Math.sqrt(Math.min(batch, images) / BATCH) * (given.weights === undefined ? 1 : FINE);
  const { lastDeviation = given.init === 'kaiming' ? LAST : undefined } = given;
  const last = lastDeviation === undefined ? {} : { lastDeviation };
  return { ...given, ...last, batch, learningRate: given.learningRate ?? Number(rate.toPrecision(2)) };
}
