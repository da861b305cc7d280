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

export type Naming = 'this project' | 'Caffe' | 'torchvision' | 'ONNX model zoo' | 'Caffe2';

const sequential =
  'features.0 features.3 features.6 features.8 features.10 classifier.1 classifier.4 classifier.6'.split(' ');

/** What follows a layer's name in those of its weight and its bias. */
const namings: Readonly<Record<Naming, readonly [weight: string, bias: string]>> = {
  'this project': ['.weight', '.bias'],
  Caffe: ['/0', '/1'],
  torchvision: ['.weight', '.bias'],
  'ONNX model zoo': ['_w_0', '_b_0'],
  Caffe2: ['_w', '_b'],
};

export interface Named {
  readonly naming: Naming;
  /** What all names start with and what does not count. */
  readonly prefix: string;
  /** This project's name → the file's. */
  readonly names: ReadonlyMap<string, string>;
}

/** What all names start with, up to and with the last '.' or '/'. */
function sharedPrefix(names: readonly string[]): string {
  let [shared = ''] = names;
  for (const name of names) while (!name.startsWith(shared)) shared = shared.slice(0, -1);
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

/** The names that weight and bias of every layer have under a naming; null where it has none for this network. */
export function namesUnder(network: Network, naming: Naming): ReadonlyMap<string, string> | null {
  const layers = network.layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
  if (naming === 'torchvision' && layers.length !== sequential.length) return null;
  const [weight, bias] = namings[naming];
  const names = new Map<string, string>();
  for (const [index, { name }] of layers.entries()) {
    const theirs = naming === 'torchvision' ? sequential[index] : name;
    names.set(`${name}.weight`, theirs + weight).set(`${name}.bias`, theirs + bias);
  }
  return names;
}
