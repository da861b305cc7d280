/** The weights that a run begins with: random, a file's, or a file's with a classifier for other classes. */

import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { cast, map, sizeOf, type Tensor, zeros } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { InputError } from '../errors.ts';
import { loadWeights } from '../weights/load.ts';
import { classifierOf, sized } from './network.ts';
import type { TrainOptions } from './options.ts';
import type { TrainingState } from './stepper.ts';

export interface Beginning {
  readonly network: Network;
  readonly state: TrainingState;
  readonly notes: readonly string[];
}

type Options = Pick<TrainOptions, 'weights' | 'seed' | 'init' | 'lastDeviation' | 'network'>;

/** `network` has the data's classes. Rejects with InputError for weights that do not fit. */
export async function begin(network: Network, options: Options): Promise<Beginning> {
  if (options.weights !== undefined) return fineTuned(network, options.weights, options);
  return { network, state: withMomenta(randomWeights(network, options)), notes: [] };
}

/** Momenta of 0 for all weights. */
const withMomenta = (weights: ReadonlyMap<string, Tensor>): TrainingState => ({
  weights,
  momenta: new Map([...weights].map(([name, { shape }]) => [name, zeros(shape)])),
});

function randomWeights(
  network: Network,
  { seed = 0, init = 'kaiming', lastDeviation }: Options,
): Map<string, Tensor> {
  const weights = new Map(initialise(network, seed, init));
  if (lastDeviation === undefined) return weights;
  const name = `${classifierOf(network)}.weight`;
  // Kaiming's draws, scaled: the same numbers whatever `init` is
  const drawn = initialise(network, seed, 'kaiming').get(name)!;
  const factor = lastDeviation / Math.sqrt(2 / sizeOf(drawn.shape.slice(1)));
  const scaled = map(drawn, (value) => value * factor);
  return weights.set(name, cast(scaled, 'float32'));
}

async function fineTuned(wanted: Network, path: string, options: Options): Promise<Beginning> {
  const named = options.network === undefined || options.network === 'auto' ? undefined : wanted;
  const loaded = await loadWeights(path, named);
  const last = classifierOf(loaded.network);
  const classes = wanted.layers.find(({ name }) => name === classifierOf(wanted));
  const count = classes?.kind === 'linear' ? classes.channels : 0;
  const preprocess = loaded.preprocess ?? loaded.network.preprocess;
  const network = { ...sized(loaded.network, 1, count), preprocess };
  const weights = new Map([...loaded.weights].map(([name, value]) => [name, cast(value, 'float32')]));
  const notes = [`weights: ${loaded.source}`, ...loaded.notes];
  const before = weights.get(`${last}.bias`)!.shape[0];
  if (before !== count) {
    const fresh = randomWeights(network, options);
    for (const part of ['weight', 'bias']) weights.set(`${last}.${part}`, fresh.get(`${last}.${part}`)!);
    notes.push(`${last} had ${before} classes, the data have ${count}: it begins anew with random weights`);
  }
  return { network, state: withMomenta(weights), notes };
}

/**
 * The network with the widths of saved weights. Throws InputError, beginning with `where`, if they are not
 * its own.
 */
export function refit(network: Network, weights: ReadonlyMap<string, Tensor>, where: string): Network {
  try {
    const fitted = fitNetwork(network, new Map([...weights].map(([name, { shape }]) => [name, shape])));
    weightShapes(fitted);
    return fitted;
  } catch (error) {
    throw new InputError(`${where}: ${(error as Error).message}`);
  }
}
