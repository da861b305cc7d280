/** Names for class numbers. */
import type { Network } from '../../reference/networks/layers.ts';
import { imagenet1000 } from './imagenet1000.ts';

/** K: the classes of the last layer that has weights; 0 where none has. */
export const classCount = ({ layers }: Network): number =>
  layers.findLast((layer) => 'channels' in layer)?.channels ?? 0;

/** The names for a network with that many classes: ImageNet's for 1000, CIFAR-10's for a cifar net, else 'class 7'. */
export function classNames(network: string, classes: number): readonly string[] {
  if (classes === 1000) return imagenet1000;
  if (classes === 10 && network.startsWith('cifar')) return cifar10;
  return Array.from({ length: classes }, (_, k) => `class ${k}`);
}

/** The metadata key under which class names travel with weights, as a JSON list. */
export const CLASSES = 'classes';

/** The class names in a file's metadata, if there are any. Throws where they are no list of texts. */
export function classesIn(metadata: ReadonlyMap<string, string>): readonly string[] | undefined {
  const text = metadata.get(CLASSES);
  if (text === undefined) return undefined;
  const told = 'its metadata hold class names that are no JSON list of texts';
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  } catch {
    throw new Error(told);
  }
  throw new Error(told);
}

// ---- The ten classes of CIFAR-10, in the order of its labels.

export const cifar10: readonly string[] = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];
