/**
 * The names that weights go by, brought to this project's `<layer>.weight` and `<layer>.bias`.
 *
 *   this project     conv1.weight conv1.bias … fc8.bias
 *   Caffe            conv1/0 conv1/1 (HDF5, npz, pycaffe's blobs by number), behind 'data/' in .caffemodel.h5
 *   torchvision      features.{0,3,6,8,10}.weight …, classifier.{1,4,6}.weight …
 *   ONNX model zoo   conv1_w_0 conv1_b_0 … fc8_b_0 (Caffe2's names)
 *
 * A prefix that all names share ('module.', 'model.', 'data/') does not count.
 */
import type { Network } from '../../reference/networks/layers.ts';

/** Names of the layers that have weights, in the network's order. */
export const weightedLayers = (network: Network): string[] =>
  network.layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear').map(({ name }) => name);

export type Naming = 'this project' | 'Caffe' | 'torchvision' | 'ONNX model zoo' | 'Caffe2';

const sequential = ['features.0', 'features.3', 'features.6', 'features.8', 'features.10'].concat([
  'classifier.1',
  'classifier.4',
  'classifier.6',
]);

/**
 * What weight and bias of the layer at that place are called; null where the convention has no name for it.
 */
const namings: Readonly<
  Record<Naming, (layer: string, index: number, count: number) => [string, string] | null>
> = {
  'this project': (layer) => [`${layer}.weight`, `${layer}.bias`],
  Caffe: (layer) => [`${layer}/0`, `${layer}/1`],
  torchvision: (_, index, count) =>
    count === sequential.length ? [`${sequential[index]}.weight`, `${sequential[index]}.bias`] : null,
  'ONNX model zoo': (layer) => [`${layer}_w_0`, `${layer}_b_0`],
  Caffe2: (layer) => [`${layer}_w`, `${layer}_b`],
};

export interface Named {
  readonly naming: Naming;
  /** What all names start with and what does not count. */
  readonly prefix: string;
  /** This project's name → the file's. */
  readonly names: ReadonlyMap<string, string>;
}

/** What all names start with, up to and with the last '.' or '/'. */
export function sharedPrefix(names: readonly string[]): string {
  if (names.length === 0) return '';
  let length = names[0].length;
  for (const name of names) while (!name.startsWith(names[0].slice(0, length))) length--;
  const shared = names[0].slice(0, length);
  return shared.slice(0, Math.max(shared.lastIndexOf('.'), shared.lastIndexOf('/')) + 1);
}

/** The file's names under the naming that knows most of them; it may know too few. Null if none knows any. */
export function nameByConvention(network: Network, names: readonly string[]): Named | null {
  const there = new Set(names);
  let best: Named | null = null;
  for (const prefix of new Set(['', sharedPrefix(names), 'module.', 'model.', 'data/'])) {
    for (const naming of Object.keys(namings) as Naming[]) {
      const found = new Map<string, string>();
      for (const [own, theirs] of namesUnder(network, naming) ?? []) {
        if (there.has(prefix + theirs)) found.set(own, prefix + theirs);
      }
      if (found.size > (best?.names.size ?? 0)) best = { naming, prefix, names: found };
    }
  }
  return best;
}

/**
 * The names that weight and bias of every layer have under a naming; null where it has none for this
 * network.
 */
export function namesUnder(network: Network, naming: Naming): ReadonlyMap<string, string> | null {
  const layers = weightedLayers(network);
  const names = new Map<string, string>();
  for (const [index, layer] of layers.entries()) {
    const own = namings[naming](layer, index, layers.length);
    if (!own) return null;
    names.set(`${layer}.weight`, own[0]).set(`${layer}.bias`, own[1]);
  }
  return names;
}
