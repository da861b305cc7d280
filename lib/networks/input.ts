/** What a network is fed: pictures, exact numbers from .npy and .npz files, or noise. */
import type { Network } from '../../reference/networks/layers.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { cast, dense, reshape, type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { toTensor } from '../array/value.ts';
import { openTensorFile } from '../disk/tensors.ts';
import { InputError } from '../errors.ts';
import { loadImages } from '../image/load.ts';

export interface Input {
  /** (N,C,H,W), float32. */
  readonly tensor: Tensor;
  /** One line: the files, or 'uniform noise, seed 0'. */
  readonly source: string;
}

/** One or several files (pictures, or .npy and .npz of (C,H,W) or (N,C,H,W)), or the numbers (N,C,H,W) themselves. */
export type Given = string | readonly string[] | Tensor;

export interface InputOptions {
  /** Nothing: noise. */
  readonly from?: Given;
  readonly seed?: number;
  /** Images of noise; default 1. */
  readonly batch?: number;
  readonly meanImage?: Tensor;
  readonly decoder?: 'jpeg-js' | 'sharp';
  /** Called with a line for each picture of a folder that is passed over; without it, such a picture is an error. */
  readonly log?: (line: string) => void;
}

/** One batch of everything that was given. Throws InputError, naming the file, for what cannot be read. */
export async function readInput(network: Network, options: InputOptions = {}): Promise<Input> {
  const { from = [], seed = 0, batch = 1 } = options;
  if (typeof from === 'object' && 'stride' in from) {
    mustFit('the input', from.shape, network);
    return { tensor: stack([cast(from, 'float32')], network), source: 'given in memory' };
  }
  const paths = typeof from === 'string' ? [from] : from;
  if (paths.length === 0)
    return { tensor: noise(network, seed, batch), source: `uniform noise, seed ${seed}` };
  const parts: Tensor[] = [];
  for (const path of paths) {
    parts.push(
      isArrayFile(path) ? await readArray(path, network) : await readPictures(path, network, options),
    );
  }
  return { tensor: stack(parts, network), source: paths.join(', ') };
}

const isArrayFile = (path: string): boolean => /\.np[yz]$/i.test(path);

/** Pixels drawn uniformly, then put through the network's own range, mean and deviation. */
export function noise(network: Network, seed: number, batch = 1): Tensor {
  const { range, mean, deviation } = network.preprocess;
  const [C, H, W] = network.input;
  const drawn = words(seed, streamOf('input'), batch * C * H * W);
  const data = Float32Array.from(drawn, (word, i) => {
    const c = Math.floor(i / (H * W)) % C;
    return (range * uniform(word) - mean[c]) / deviation[c];
  });
  return tensor(data, [batch, C, H, W]);
}

/** A picture, or those of a folder: one that cannot be read is passed over where others can. */
async function readPictures(path: string, network: Network, options: InputOptions): Promise<Tensor> {
  const { meanImage, decoder, log } = options;
  const { images, failures } = await loadImages([path], network.preprocess, { meanImage, decoder });
  if (failures.length > 0 && (images.length === 0 || !log)) throw new InputError(failures[0].message);
  for (const { message } of failures) log?.(`passed over: ${message}`);
  return stack(
    images.map((image) => image.tensor),
    network,
  );
}

async function readArray(path: string, network: Network): Promise<Tensor> {
  const file = await openTensorFile(path);
  try {
    const names = [...file.tensors.keys()];
    const name = names.length === 1 ? names[0] : 'input';
    const array = file.tensors.get(name);
    if (!array)
      throw new InputError(`${path}: it holds ${names.join(', ')}: one of them must be named 'input'`);
    mustFit(path, array.shape, network);
    const values = cast(toTensor(array.read()), 'float32');
    return array.shape.length === 3 ? reshape(values, [1, ...array.shape]) : values;
  } finally {
    file.close();
  }
}

function mustFit(path: string, shape: Shape, network: Network): void {
  const image = shape.length === 4 ? shape.slice(1) : shape;
  if (image.join() === network.input.join() && sizeOf(shape) > 0) return;
  throw new InputError(
    `${path}: shape [${shape}], but ${network.name} takes [N,${network.input}] or [${network.input}]`,
  );
}

function stack(parts: readonly Tensor[], network: Network): Tensor {
  const batch = parts.reduce((sum, part) => sum + part.shape[0], 0);
  const data = new Float32Array(batch * sizeOf(network.input));
  let at = 0;
  for (const part of parts) {
    data.set(dense(part), at);
    at += dense(part).length;
  }
  return tensor(data, [batch, ...network.input]);
}
