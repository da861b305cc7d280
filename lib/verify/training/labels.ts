/** Labels and dropout masks: read, checked, or drawn from the seed. */

import type { Network } from '../../../reference/networks/layers.ts';
import { shapes } from '../../../reference/oracle.ts';
import { streamOf, uniform, words } from '../../../reference/random.ts';
import { sizeOf } from '../../../reference/tensor.ts';
import type { Masks } from '../../../reference/training/gradient.ts';
import type { LazyValue } from '../../array/value.ts';
import { openTensorFile } from '../../disk/tensors.ts';
import { InputError } from '../../errors.ts';

/** Classes of the images: a .npy of N integers, or the numbers themselves; nothing: drawn from the seed. */
export async function readLabels(
  network: Network,
  batch: number,
  given: string | ArrayLike<number> | undefined,
  seed: number,
): Promise<{ labels: Int32Array; source: string }> {
  const [, K] = shapes(network).get(network.layers[network.layers.length - 1].name)!;
  if (given === undefined) {
    const drawn = words(seed, streamOf('labels'), batch);
    const labels = new Int32Array(drawn.length).map((_, i) => Math.floor(K * uniform(drawn[i])));
    return { labels, source: `classes ${labels.join(', ')}, drawn from seed ${seed}` };
  }
  const source = typeof given === 'string' ? given : 'given in memory';
  const values = typeof given === 'string' ? await numbersIn(given) : Array.from(given);
  if (values.length !== batch)
    throw new InputError(
      `${source}: ${values.length} labels for ${batch} images: there must be one for each`,
    );
  for (const [n, label] of values.entries()) {
    if (!Number.isInteger(label) || label < 0 || label >= K)
      throw new InputError(`${source}: label ${n} is ${label}: ${network.name}'s classes are 0 to ${K - 1}`);
  }
  return { labels: Int32Array.from(values), source };
}

/** The values of the only array of a file. */
async function numbersIn(path: string): Promise<number[]> {
  const file = await openTensorFile(path);
  try {
    const arrays = [...file.tensors.values()];
    const [array] = arrays;
    if (arrays.length !== 1 || array.shape.length !== 1 || array.dtype.endsWith('float16'))
      throw new InputError(`${path}: labels must be one array [N] of integers`);
    return Array.from(array.read().data as ArrayLike<number | bigint>, Number);
  } finally {
    file.close();
  }
}

/** 'none', or a mask for every dropout layer from an .npz whose arrays are called as the layers. */
export async function readMasks(
  network: Network,
  batch: number,
  given: 'none' | string | Masks | undefined,
): Promise<Masks | 'none'> {
  if (given === undefined || given === 'none') return 'none';
  const known = shapes(network, batch);
  const wanted = network.layers.filter(({ kind }) => kind === 'dropout').map(({ name }) => name);
  if (wanted.length === 0) throw new InputError(`${network.name} has no dropout: leave --dropout out`);
  if (typeof given !== 'string') {
    for (const name of wanted) check(name, given.get(name), sizeOf(known.get(name)!), 'the masks');
    return given;
  }
  const file = await openTensorFile(given);
  try {
    const extra = [...file.tensors.keys()].find((name) => !wanted.includes(name));
    if (extra !== undefined)
      throw new InputError(
        `${given}: '${extra}' is not a dropout layer of ${network.name} (${wanted.join(', ')})`,
      );
    const masks = new Map<string, Uint8Array>();
    for (const name of wanted) {
      const array = file.tensors.get(name);
      if (array) mustBeMask(given, name, array, known.get(name)!);
      const values = array && new Uint8Array(array.read().data as Uint8Array);
      masks.set(name, check(name, values, sizeOf(known.get(name)!), given));
    }
    return masks;
  } finally {
    file.close();
  }
}

function mustBeMask(
  path: string,
  name: string,
  { dtype, shape }: LazyValue,
  wanted: readonly number[],
): void {
  if (dtype !== 'uint8' && dtype !== 'bool')
    throw new InputError(`${path}: '${name}' is ${dtype}: a mask must be uint8 or bool`);
  if (shape.join() !== wanted.join())
    throw new InputError(`${path}: '${name}' is [${shape}]: a mask must be [${wanted}]`);
}

function check(name: string, mask: Uint8Array | undefined, size: number, source: string): Uint8Array {
  if (!mask) throw new InputError(`${source}: there is no mask '${name}'`);
  if (mask.length !== size)
    throw new InputError(`${source}: '${name}' must have ${size} values (= ${mask.length})`);
  if (mask.some((v) => v > 1)) throw new InputError(`${source}: '${name}' may hold only 0 and 1`);
  return mask;
}
