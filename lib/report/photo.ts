/** A photo as a page shows it: small, where in it the network's views are cut, and the one at the centre. */
import {
  centreOffset,
  cropViews,
  type Image,
  type Preprocess,
  resizedSize,
} from '../../reference/input/preprocess.ts';
import { type Rectangle, resizeBilinear } from '../../reference/input/resize.ts';
import { decodePicture, type Picture } from '../data/dataset.ts';
import type { DecodeOptions } from '../image/decode.ts';
import { encodeJpeg, encodePng } from '../image/encode.ts';
import { openThreads, startThread, type ThreadPool } from '../runtime/threads.ts';
import { escapeXml } from './escape.ts';

export interface PhotoOptions extends DecodeOptions {
  readonly preprocess: Preprocess;
  readonly views: 1 | 10;
}

export interface Shown {
  readonly width: number;
  readonly height: number;
  /** A data: address. */
  readonly address: string;
}

export interface Photo {
  /** Of the file, upright. */
  readonly width: number;
  readonly height: number;
  readonly small: Shown;
  /** Of the views, without their mirrors, as shares of width and height. */
  readonly windows: readonly Rectangle[];
  /** The view at the centre, as the network gets it. */
  readonly view: Shown;
}

/** A photo on a page is no larger; neither is one of many. */
const PHOTO = { width: 480, height: 320 };
const THUMBNAIL = { width: 160, height: 160 };

/** Rejects as reading and decoding do. */
export async function photoOf(picture: Picture, { preprocess, views, ...how }: PhotoOptions): Promise<Photo> {
  const image = await decodePicture(picture, how);
  const { width, height } = image;
  return {
    width,
    height,
    small: shown(within(PHOTO, image)),
    windows: windowsIn(image, preprocess, views),
    view: shown(cropViews(image, preprocess, views)[views === 10 ? 4 : 0]),
  };
}

/** A picture among many, by itself. Rejects as reading and decoding do. */
export const thumbnailOf = async (picture: Picture, how: DecodeOptions): Promise<Shown> =>
  shown(within(THUMBNAIL, await decodePicture(picture, how)));

function within(most: Pick<Image, 'width' | 'height'>, image: Image): Image {
  const scale = Math.min(1, most.width / image.width, most.height / image.height);
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  return resizeBilinear(image, width, height, { x: 0, y: 0, width, height });
}

/** So few pixels are a PNG, all exact, of 3 kB at most: jpeg-js spends fifty times as long on its tables alone. */
const FEW = 32 * 32;

function shown(image: Image): Shown {
  const { width, height } = image;
  const png = width * height <= FEW;
  const bytes = Buffer.from(png ? encodePng(image) : encodeJpeg(image));
  return { width, height, address: `data:image/${png ? 'png' : 'jpeg'};base64,${bytes.toString('base64')}` };
}

export type Unshown = { readonly error: string };

/** Threads that make photos, or thumbnails where nothing is said of a network. */
export const openPhotos = <Made extends Photo | Shown>(
  threads: number,
  how: PhotoOptions | DecodeOptions,
): ThreadPool<Picture, Made | Unshown> =>
  openThreads({
    threads,
    start: () => startThread('./photo-worker', import.meta.url, how),
    lost: ({ name }, reason) => ({ error: `${name}: decoding it ended its thread (${reason})` }),
  });

/** As HTML, at least `least` pixels wide where there is room. */
export const drawing = (
  label: string,
  { width, height, address }: Shown,
  least: number,
  above = '',
): string =>
  `<svg role="img" aria-label="${escapeXml(label)}" viewBox="0 0 ${width} ${height}" style="max-width:${Math.max(width, least)}px">
<image href="${address}" width="${width}" height="${height}" style="image-rendering:pixelated"/>${above}</svg>`;

/** The centre; with ten views first the corners of the central square. */
function windowsIn(image: Image, spec: Preprocess, views: 1 | 10): Rectangle[] {
  const [width, height] = resizedSize(image, spec);
  const { size, offset } = spec.crop;
  const at = (x: number, y: number, w = size, h = size): Rectangle => ({
    x: x / width,
    y: y / height,
    width: w / width,
    height: h / height,
  });
  if (size === 0) return [at(0, 0, width, height)];
  if (views === 1) return [at(centreOffset(width, size, offset), centreOffset(height, size, offset))];
  const side = Math.min(width, height);
  const left = centreOffset(width, side, offset);
  const top = centreOffset(height, side, offset);
  const far = side - size;
  const middle = centreOffset(side, size, offset);
  const corners = [0, far].flatMap((y) => [0, far].map((x) => at(left + x, top + y)));
  return [...corners, at(left + middle, top + middle)];
}
