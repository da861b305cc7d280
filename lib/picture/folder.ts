/** The pictures of a folder, each with the code by which it is compared. */
import type { Image } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Storage, Tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { decodeImageSync } from '../image/decode.ts';
import { eachPicture, type Path, readPicture } from '../image/load.ts';
import { codes } from './codes.ts';
import { type Photo, type Seer, seen } from './subject.ts';

/** Pictures that are computed together. */
const BATCH = 32;

export interface Coded {
  /** For messages. */
  readonly image: string;
  readonly file: Path;
  /** The part that the network gets. */
  readonly crop: Image;
  readonly code: Storage;
}

/** A picture of the folder, read. */
export const photoAt = async (file: Path, name: string, seer: Seer): Promise<Photo> =>
  seen(decodeImageSync(await readPicture(file), name), name, seer);

/**
 * Hands over the codes of a folder's pictures, some at a time; `skip` those that are none of it. Those that cannot be
 * read come back, a line each.
 */
export async function eachCode(
  hidden: Network,
  seer: Seer,
  folder: string,
  take: (coded: readonly Coded[]) => void,
  skip: (file: Path) => Promise<boolean> = async () => false,
): Promise<{ readonly image: string; readonly error: string }[]> {
  const failures: { image: string; error: string }[] = [];
  let batch: (Omit<Coded, 'code'> & { readonly input: Tensor })[] = [];
  const settle = (): void => {
    const inputs = batch.map(({ input }) => input);
    if (batch.length > 0) {
      const found = codes(hidden, seer, inputs);
      take(batch.map(({ image, file, crop }, n) => ({ image, file, crop, code: found[n] })));
    }
    batch = [];
  };
  for await (const picture of eachPicture([folder])) {
    const image = picture.path;
    try {
      if ('message' in picture) throw new InputError(picture.message);
      const { file } = picture;
      if (await skip(file)) continue;
      const { input, crop } = await photoAt(file, image, seer);
      batch.push({ image, file, crop, input });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      failures.push({ image, error: error.message });
    }
    if (batch.length === BATCH) settle();
  }
  settle();
  return failures;
}
