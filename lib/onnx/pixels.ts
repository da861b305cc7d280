/** What a file that takes pictures does to them (export/pixels.ts), by its metadata. */
import { IMAGE, type ImageInput, MEAN_IMAGE } from '../../export/pixels.ts';
import type { Pixels } from '../../reference/input/pixels.ts';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { type NumericValue, toTensor } from '../array/value.ts';
import { InputError } from '../errors.ts';
import type { Model } from './model.ts';

/**
 * Of a file whose input is called 'image' and of bytes; undefined for others. `preprocess` is its network's. Throws
 * InputError where the metadata say what the file does not hold.
 */
export function pixelsIn({ metadata, graph }: Model, preprocess: () => Preprocess): Pixels | undefined {
  const told = metadata.get(IMAGE);
  const [port] = graph.inputs;
  if (told === undefined || port?.name !== IMAGE || port.dtype !== 'uint8') return undefined;
  const { views, meanImage, resize = false } = parsed(told);
  if (resize && port.shape?.slice(1, 3).some((extent) => typeof extent === 'number'))
    throw new InputError(`the model's metadata tell of pictures of any size, but it takes [${port.shape}]`);
  const mean = meanImage ? graph.initializers.get(MEAN_IMAGE) : undefined;
  if (meanImage && mean?.dtype !== 'float32')
    throw new InputError(`the model's metadata tell of a mean image, but it has no '${MEAN_IMAGE}'`);
  return {
    preprocess: preprocess(),
    views,
    resize,
    ...(mean && { meanImage: toTensor(mean as NumericValue) }),
  };
}

/** In how many views the file takes pictures, by its metadata; undefined for a file that takes none. */
export const viewsIn = (metadata: ReadonlyMap<string, string>): 1 | 10 | undefined => {
  const told = metadata.get(IMAGE);
  return told === undefined ? undefined : parsed(told).views;
};

function parsed(text: string): ImageInput {
  try {
    const { views, meanImage } = JSON.parse(text);
    if ((views === 1 || views === 10) && typeof meanImage === 'boolean') return JSON.parse(text);
  } catch {}
  throw new InputError(`the model's metadata '${IMAGE}' do not tell views and mean image: export it again`);
}
