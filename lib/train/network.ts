/**
 * The network of a run, by name or sized to the data, with the data's classes; and the weights that it begins with:
 * random, a file's, or a file's with a classifier for other classes.
 */
import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { cast, map, sizeOf, type Tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { zeroMomenta } from '../../reference/training/optimiser.ts';
import { resolveNetwork } from '../checks.ts';
import type { Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { loadWeights } from '../weights/load.ts';
import type { TrainingState } from './checkpoint.ts';
import type { TrainOptions } from './options.ts';

/** The last layer with weights: the classifier. */
function classifierOf(network: Network): string {
  const last = network.layers.findLast(({ kind }) => kind === 'linear');
  if (last) return last.name;
  throw new InputError(`${network.name} has no fully connected layer to learn classes with`);
}

/**
 * Widths times `factor`, multiples of 4 (two groups, and WebGPU's kernels), at least 4; the classifier has
 * `classes`.
 */
export function sized(network: Network, factor: number, classes: number): Network {
  const last = classifierOf(network);
  const width = (channels: number): number =>
    factor === 1 ? channels : Math.max(4, 4 * Math.round((channels * factor) / 4));
  const layers = network.layers.map((layer) => {
    if (!('channels' in layer)) return layer;
    return { ...layer, channels: layer.name === last ? classes : width(layer.channels) };
  });
  return { ...network, layers };
}

/** Side up to which pictures count as small. */
const SMALL = 64;

/**
 * The network that is asked for, or one sized to the data: for small pictures cifar-alexnet; for others the
 * paper's, at a quarter of its widths for fewer than 5,000 pictures, at half of them for fewer than 50,000.
 * Says why, where it chose.
 */
export function networkFor(
  data: Dataset,
  pictures: number,
  wanted: string | Network = 'auto',
  factor = 1,
): { network: Network; note?: string } {
  const classes = data.classes.length;
  if (classes < 2) throw new InputError(`${data.path}: one class alone cannot be told from others`);
  if (wanted !== 'auto') {
    const network = typeof wanted === 'string' ? resolveNetwork(wanted) : wanted;
    return { network: sized(network, factor, classes) };
  }
  const small = data.size !== undefined && Math.max(...data.size) <= SMALL;
  const scale = small ? 1 : pictures < 5000 ? 0.25 : pictures < 50_000 ? 0.5 : 1;
  const base = resolveNetwork(small ? 'cifar-alexnet' : 'alexnet2012');
  const share = scale === 1 ? '' : ` at ${scale} of its widths`;
  const why = small ? `pictures of ${data.size?.join('×')}` : `${pictures} pictures`;
  return {
    network: sized(base, scale * factor, classes),
    note: `network: ${base.name}${share}, sized to ${why} (--network takes another)`,
  };
}

type Options = Pick<TrainOptions, 'weights' | 'seed' | 'init' | 'lastDeviation' | 'network'>;

/**
 * The network, of the data's classes, the state that its training begins with, and the layer that begins anew among
 * learned ones. Rejects with InputError for weights
 * that do not fit.
 */
export async function begin(network: Network, options: Options) {
  if (options.weights !== undefined) return fineTuned(network, options.weights, options);
  return { network, state: atRest(randomWeights(network, options)), notes: [], anew: undefined };
}

const atRest = (weights: ReadonlyMap<string, Tensor>): TrainingState => ({
  weights,
  momenta: zeroMomenta(weights),
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

async function fineTuned(wanted: Network, path: string, options: Options) {
  const named = options.network === undefined || options.network === 'auto' ? undefined : wanted;
  const loaded = await loadWeights(path, named);
  const last = classifierOf(loaded.network);
  const count = weightShapes(wanted).get(`${classifierOf(wanted)}.bias`)![0];
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
  return { network, state: atRest(weights), notes, anew: before === count ? undefined : last };
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
