/** What a network is fed: pictures, exact numbers from .npy and .npz files, or noise. */
import { type Pixels, pictureFor, pictureSide } from '../../reference/input/pixels.ts';
import { type Image, preprocess } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { streamOf, uniform, words } from '../../reference/random.ts';
import { cast, dense, reshape, type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { toTensor } from '../array/value.ts';
import { openTensorFile } from '../disk/tensors.ts';
import { InputError } from '../errors.ts';
import { loadImages } from '../image/load.ts';

export interface Input {
  /** (N,C,H,W), or pictures (N,H,W,3) of whole numbers 0..255; float32. */
  readonly tensor: Tensor;
  /** One line: the files, or 'uniform noise, seed 0'. */
  readonly source: string;
}

/** One or several files (pictures, or .npy and .npz of one image or (N,…)), or the numbers themselves, (N,…). */
export type Given = string | readonly string[] | Tensor;

export interface InputOptions {
  /** Nothing: noise. */
  readonly from?: Given;
  readonly seed?: number;
  /** Images of noise; default 1. */
  readonly batch?: number;
  readonly meanImage?: Tensor;
  /** What is fed are pictures, of which the graph does the rest. */
  readonly pixels?: Pixels;
  readonly decoder?: 'jpeg-js' | 'sharp';
  /** Called with a line for each picture of a folder that is passed over; without it, such a picture is an error. */
  readonly log?: (line: string) => void;
}

/** What is fed: its shape without the batch, and in whose name. */
interface Wanted {
  readonly called: string;
  readonly shape: Shape;
  readonly pixels?: Pixels;
}

/** One batch of everything that was given. Throws InputError, naming the file, for what cannot be read. */
export async function readInput(network: Network, options: InputOptions = {}): Promise<Input> {
  const { from = [], seed = 0, batch = 1, pixels } = options;
  const shape = pixels ? shapeOfNoise(pixels) : network.input;
  const wanted = { called: network.name, shape, pixels };
  if (typeof from === 'object' && 'stride' in from) {
    mustFit('the input', from, wanted);
    return { tensor: stack([cast(from, 'float32')], wanted), source: 'given in memory' };
  }
  const paths = typeof from === 'string' ? [from] : from;
  if (paths.length === 0) {
    const tensor = pixels ? noisyPictures(shape, seed, batch) : noise(network, seed, batch);
    return { tensor, source: `uniform noise, seed ${seed}` };
  }
  const parts: Tensor[] = [];
  for (const path of paths) {
    parts.push(
      isArrayFile(path) ? await readArray(path, wanted) : await readPictures(path, network, wanted, options),
    );
  }
  return { tensor: stack(parts, wanted), source: paths.join(', ') };
}

const isArrayFile = (path: string): boolean => /\.np[yz]$/i.test(path);

/** Pixels drawn uniformly, then put through the network's own range, mean and deviation. */
export function noise(network: Network, seed: number, batch = 1): Tensor {
  const { range, mean, deviation } = network.preprocess;
  const [C, H, W] = network.input;
  const drawn = words(seed, streamOf('input'), batch * C * H * W);
  const data = new Float32Array(drawn.length).map((_, i) => {
    const c = Math.floor(i / (H * W)) % C;
    return (range * uniform(drawn[i]) - mean[c]) / deviation[c];
  });
  return tensor(data, [batch, C, H, W]);
}

/** Of any size: twice and one and a half times what they are resized to. */
function shapeOfNoise(pixels: Pixels): Shape {
  const side = pictureSide(pixels);
  const { size } = pixels.preprocess.resize;
  return pixels.resize ? [Math.floor(1.5 * size), 2 * size, 3] : [side, side, 3];
}

/** Every byte as likely as the next. */
function noisyPictures(shape: Shape, seed: number, batch: number): Tensor {
  const drawn = words(seed, streamOf('input'), batch * sizeOf(shape));
  return tensor(new Float32Array(drawn.map((word) => word >>> 24)), [batch, ...shape]);
}

/** A picture, or those of a folder: one that cannot be read is passed over where others can. */
async function readPictures(
  path: string,
  network: Network,
  wanted: Wanted,
  options: InputOptions,
): Promise<Tensor> {
  const { meanImage, decoder, log, pixels } = options;
  const make = (image: Image): Tensor =>
    pixels ? pictureOf(image, pixels) : preprocess(image, network.preprocess, { meanImage });
  const { images, failures } = await loadImages([path], make, { decoder });
  if (failures.length > 0 && (images.length === 0 || !log)) throw new InputError(failures[0].message);
  for (const { message } of failures) log?.(`passed over: ${message}`);
  return stack(
    images.map((image) => image.tensor),
    wanted,
  );
}

function pictureOf(image: Image, pixels: Pixels): Tensor {
  const { width, height, data } = pictureFor(image, pixels);
  return tensor(new Float32Array(data), [1, height, width, 3]);
}

async function readArray(path: string, wanted: Wanted): Promise<Tensor> {
  const file = await openTensorFile(path);
  try {
    const names = [...file.tensors.keys()];
    const name = names.length === 1 ? names[0] : 'input';
    const array = file.tensors.get(name);
    if (!array)
      throw new InputError(`${path}: it holds ${names.join(', ')}: one of them must be named 'input'`);
    mustHaveShape(path, array.shape, wanted);
    const values = cast(toTensor(array.read()), 'float32');
    mustFit(path, values, wanted);
    return array.shape.length === 3 ? reshape(values, [1, ...array.shape]) : values;
  } finally {
    file.close();
  }
}

function mustHaveShape(path: string, shape: Shape, { called, shape: wanted, pixels }: Wanted): void {
  const image = shape.length === 4 ? shape.slice(1) : shape;
  const taken = pixels?.resize ? [...image.slice(0, 2), 3] : wanted;
  if (image.join() === taken.join() && sizeOf(shape) > 0) return;
  const told = pixels?.resize ? 'H,W,3' : wanted;
  throw new InputError(`${path}: shape [${shape}], but ${called} takes [N,${told}] or [${told}]`);
}

function mustFit(path: string, values: Tensor, wanted: Wanted): void {
  mustHaveShape(path, values.shape, wanted);
  const wrong = wanted.pixels && dense(values).find((v) => !(Number.isInteger(v) && v >= 0 && v <= 255));
  if (wrong !== undefined)
    throw new InputError(`${path} holds ${wrong}, but the file takes pictures of whole numbers 0 to 255`);
}

function stack(parts: readonly Tensor[], { shape: wanted, pixels }: Wanted): Tensor {
  const shape = pixels?.resize ? parts[0].shape.slice(1) : wanted;
  for (const { shape: other } of parts)
    if (pixels?.resize && other.slice(1).join() !== shape.join())
      throw new InputError(
        `pictures of [${shape}] and [${other.slice(1)}]: those of one run have one size, give the others apart`,
      );
  const batch = parts.reduce((sum, part) => sum + part.shape[0], 0);
  const data = new Float32Array(batch * sizeOf(shape));
  let at = 0;
  for (const part of parts) {
    data.set(dense(part), at);
    at += dense(part).length;
  }
  return tensor(data, [batch, ...shape]);
}
