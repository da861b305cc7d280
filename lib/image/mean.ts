/** The mean image that goes with weights: the one that is given, else a file beside them. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { readMeanImage } from '../input.ts';

export interface Mean {
  readonly file: string;
  readonly image: Tensor;
}

/** Names under which a mean image lies beside weights. */
const BESIDE = ['mean.npy', 'mean.binaryproto'];

/**
 * The mean image of `file` (.npy, .binaryproto), else of mean.npy beside the weights, where the preprocessing
 * takes one. Throws InputError if one is needed and there is none, or one is given that the preprocessing
 * does not take.
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
  const candidates = weights === undefined ? [] : BESIDE.map((name) => join(dirname(weights), name));
  const found = file ?? candidates.find((path) => existsSync(path));
  if (found !== undefined) return { file: found, image: await readMeanImage(found) };
  if (meanImage === 'optional') return null;
  throw new InputError(
    'this network needs a mean image: --mean FILE (.npy or .binaryproto), or mean.npy beside the weights',
  );
}
