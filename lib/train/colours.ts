/** The training images' colours: their mean, and the principal components that lighting varies (section 4.1). */
import {
  addPlanar,
  type Colours,
  colours,
  moments,
  type Principal,
  principal,
} from '../../reference/input/pca.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Split } from '../data/dataset.ts';
import { inOrder, openPool } from '../data/pool.ts';
import { InputError } from '../errors.ts';

/** Decoding files takes long, bytes that are at hand do not: so many of each are looked at, spread evenly. */
const SAMPLE = { file: 1000, planes: 20_000 } as const;
const GROUP = 16;

/**
 * Of the squares of a split's pictures `indices`, or of a sample of them. Rejects with InputError naming a
 * picture that fails.
 */
export async function coloursOf(
  split: Split,
  indices: readonly number[],
  preprocess: Preprocess,
  threads?: number,
): Promise<Colours> {
  const limit = 'file' in split.picture(indices[0]) ? SAMPLE.file : SAMPLE.planes;
  const count = Math.min(limit, indices.length);
  const sample = Array.from({ length: count }, (_, i) => indices[Math.floor((i * indices.length) / count)]);
  await using pool = openPool({ form: 'square', preprocess }, { threads });
  const sums = moments();
  const groups = Array.from({ length: Math.ceil(count / GROUP) }, (_, g) =>
    sample.slice(g * GROUP, (g + 1) * GROUP).map((i) => split.picture(i)),
  );
  for await (const results of inOrder(pool, groups, 4 * pool.threads)) {
    for (const result of results) {
      if ('error' in result) throw new InputError(result.error);
      addPlanar(sums, result.data as Uint8Array, result.shape[1] * result.shape[2]);
    }
  }
  return colours(sums);
}

/** The components of a covariance. */
export const principalOf = ({ covariance }: Colours): Principal => principal(covariance);

/** A preprocessing that needs a mean image gets the mean colour of the training images in its place. */
export function withMean(preprocess: Preprocess, { mean }: Colours): Preprocess {
  const rgb = preprocess.range === 1 ? mean.map((m) => m / 255) : [...mean];
  return { ...preprocess, meanImage: 'none', mean: preprocess.channels === 'RGB' ? rgb : rgb.reverse() };
}
