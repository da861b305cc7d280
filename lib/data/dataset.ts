/**
 * What every data set offers, whatever its format: classes, splits, and pictures that are read when they are
 * asked for.
 */
import type { Image } from '../../reference/input/preprocess.ts';
import type { DecodeOptions } from '../image/decode.ts';
import type { Path } from '../image/load.ts';
import { imageOf, type Pixels } from '../image/pixels.ts';

/** all: a data set that is not split. */
export type SplitName = 'train' | 'val' | 'test' | 'all';

/** Where a picture's pixels are: in a JPEG or PNG file, or here, as bytes. Can be sent to a worker thread. */
export type Picture =
  | { readonly name: string; readonly file: Path }
  /** The file's bytes. */
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly pixels: Pixels }
  | {
      readonly name: string;
      /** (channels,height,width), 0 to 255; one channel is grey, three are red, green and blue. */
      readonly planes: Uint8Array<ArrayBuffer>;
      readonly channels: 1 | 3;
      readonly height: number;
      readonly width: number;
    };

export interface Example {
  readonly image: Image;
  readonly label: number;
}

/** Pictures 0 … count − 1. An index beyond them is a RangeError. */
export interface Split {
  readonly name: SplitName;
  readonly count: number;
  /** Class of picture i. */
  label(i: number): number;
  /** Where picture i is. InputError if its bytes are no longer there. */
  picture(i: number): Picture;
  /** Picture i, decoded. Rejects with InputError, one line that names the picture, if it cannot be. */
  get(i: number, options?: DecodeOptions): Promise<Example>;
}

export interface Dataset {
  /** 'CIFAR-10', 'folders of pictures', 'MNIST'. */
  readonly format: string;
  readonly path: string;
  /** Names in the order of the labels. */
  readonly classes: readonly string[];
  readonly splits: ReadonlyMap<SplitName, Split>;
  /** Width and height of every picture, where the format fixes them. */
  readonly size?: readonly [width: number, height: number];
  /** Closes its files; no picture can be read afterwards. */
  close(): void;
}

/** A split with one label per picture. */
export function splitOf(
  name: SplitName,
  labels: ArrayLike<number>,
  pictureAt: (i: number) => Picture,
): Split {
  const check = (i: number): number => {
    if (Number.isInteger(i) && i >= 0 && i < labels.length) return i;
    throw new RangeError(`${name}: there is no picture ${i} (0 to ${labels.length - 1})`);
  };
  const label = (i: number) => labels[check(i)];
  const picture = (i: number) => pictureAt(check(i));
  const get = async (i: number, options?: DecodeOptions) => ({
    image: await decodePicture(picture(i), options),
    label: label(i),
  });
  return { name, count: labels.length, label, picture, get };
}

/** The pictures `indices` of a split, numbered anew from 0. */
export function subset(split: Split, indices: ArrayLike<number>): Split {
  const labels = Array.from(indices, (i) => split.label(i));
  return splitOf(split.name, labels, (i) => split.picture(indices[i]));
}

/** `count` of the numbers 0 … all − 1, or all, spread evenly. */
export const spread = (all: number, count: number): number[] =>
  Array.from({ length: Math.min(all, count) }, (_, i) => Math.floor((i * all) / Math.min(all, count)));

/** `count` pictures of a split, spread evenly; all without a count. */
export const thinned = (split: Split, count: number | undefined): Split =>
  count === undefined || count >= split.count ? split : subset(split, spread(split.count, count));

/** The pixels of a picture. Rejects with InputError, one line that names it, if it cannot be read. */
export async function decodePicture(picture: Picture, options?: DecodeOptions): Promise<Image> {
  if ('pixels' in picture) return imageOf(picture.pixels);
  if (!('planes' in picture)) {
    // only here: to load the decoders takes a thread as long as to start, and planes need none
    const { decodeImage } = await import('../image/decode.ts');
    return decodeImage(await bytesOf(picture), picture.name, options);
  }
  const { planes, channels, width, height } = picture;
  const size = width * height;
  const data = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) data[3 * i + c] = planes[channels === 3 ? c * size + i : i];
  }
  return { width, height, data };
}

async function bytesOf(
  picture: Extract<Picture, { bytes: unknown } | { file: unknown }>,
): Promise<Uint8Array> {
  if ('bytes' in picture) return picture.bytes;
  const { readPicture } = await import('../image/load.ts');
  const { file } = picture;
  // a Buffer arrives in another thread as a Uint8Array
  return readPicture(typeof file === 'string' ? file : Buffer.from(file));
}
