/** The mean image that goes with weights: the one that is given, else a file beside them. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MEAN_IMAGE } from '../../export/pixels.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { reshape, type Tensor } from '../../reference/tensor.ts';
import { toTensor } from '../array/value.ts';
import { openTensorFile } from '../disk/tensors.ts';
import { InputError } from '../errors.ts';

export interface Mean {
  readonly file: string;
  readonly image: Tensor;
}

/** Names under which a mean image lies beside weights. */
const BESIDE = ['mean.npy', 'mean.binaryproto'];

/**
 * The mean image of `file` (.npy, .binaryproto), else what an ONNX file of the weights subtracts itself, else that of
 * mean.npy beside them, where the preprocessing takes one. Throws InputError if one is needed and there is none, or
 * one is given that the preprocessing does not take.
 */
export async function findMean(
  { meanImage }: Preprocess,
  file: string | undefined,
  weights: string | undefined,
): Promise<Mean | null> {
  if (meanImage === 'none') {
    if (file === undefined) return null;
    throw new InputError(`${file}: this network's preprocessing takes no mean image: leave --mean out`);
  }
  const within = file === undefined && weights?.endsWith('.onnx') ? await meanWithin(weights) : null;
  if (within) return within;
  const candidates = weights === undefined ? [] : BESIDE.map((name) => join(dirname(weights), name));
  const found = file ?? candidates.find((path) => existsSync(path));
  if (found !== undefined) return { file: found, image: await readMeanImage(found) };
  if (meanImage === 'optional') return null;
  throw new InputError(
    'this network needs a mean image: --mean FILE (.npy or .binaryproto), or mean.npy beside the weights',
  );
}

/** Of a file that takes pictures; a mean colour is (3,1,1). */
async function meanWithin(path: string): Promise<Mean | null> {
  const file = await openTensorFile(path);
  try {
    const mean = file.tensors.get(MEAN_IMAGE);
    return mean && mean.shape[1] > 1 ? { file: path, image: toTensor(mean.read()) } : null;
  } finally {
    file.close();
  }
}

/** A mean image (C,H,W) from a .npy file. Throws InputError naming the file. */
async function readMeanImage(path: string): Promise<Tensor> {
  const file = await openTensorFile(path);
  try {
    const [array] = file.tensors.values();
    const shape = array?.shape.length === 4 && array.shape[0] === 1 ? array.shape.slice(1) : array?.shape;
    if (file.tensors.size !== 1 || shape?.length !== 3 || shape[0] !== 3) {
      throw new InputError(`${path}: a mean image must be one array of shape [3,H,W]`);
    }
    return reshape(toTensor(array.read()), shape);
  } finally {
    file.close();
  }
}
