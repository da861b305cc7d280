/** The network of a run: by name or sized to the data, with the data's classes. */
import type { Network } from '../../reference/networks/layers.ts';
import type { Dataset } from '../data/dataset.ts';
import { InputError } from '../errors.ts';
import { resolveNetwork } from '../resolve.ts';

/** The last layer with weights: the classifier. */
export function classifierOf(network: Network): string {
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
    if (layer.kind !== 'conv2d' && layer.kind !== 'linear') return layer;
    return { ...layer, channels: layer.name === last ? classes : width(layer.channels) };
  });
  return { ...network, layers };
}

/** Side up to which pictures count as small. */
const SMALL = 64;

/**
 * The network that is asked for, or one sized to the data: for small pictures cifar-alexnet; for others the
 * paper's, at a quarter of its widths for fewer than 5,000 pictures, at half of them for fewer than 50,000.
 * Answers why, where it chose.
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
