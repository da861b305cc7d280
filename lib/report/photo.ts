/** A photo as a page shows it: small, where in it the network's views are cut, and the one at the centre. */
import {
  centreOffset,
  cropViews,
  type Image,
  type Preprocess,
  resizedSize,
} from '../../reference/input/preprocess.ts';
import { type Rectangle, resizeBilinear } from '../../reference/input/resize.ts';
import { type DecodeOptions, decodeImage } from '../image/decode.ts';
import { encodeJpeg } from '../image/encode.ts';
import { readPicture } from '../image/load.ts';

export interface PhotoOptions extends DecodeOptions {
  readonly preprocess: Preprocess;
  readonly views: 1 | 10;
}

interface Shown {
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

/** A photo on a page is no larger. */
const MOST = { width: 480, height: 320 };

/** Rejects as reading and decoding do. */
export async function photoOf(path: string, { preprocess, views, ...how }: PhotoOptions): Promise<Photo> {
  const image = await decodeImage(await readPicture(path), path, how);
  const { width, height } = image;
  const scale = Math.min(1, MOST.width / width, MOST.height / height);
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = resizeBilinear(image, w, h, { x: 0, y: 0, width: w, height: h });
  return {
    width,
    height,
    small: shown(small),
    windows: windowsIn(image, preprocess, views),
    view: shown(cropViews(image, preprocess, views)[views === 10 ? 4 : 0]),
  };
}

const shown = (image: Image): Shown => ({
  width: image.width,
  height: image.height,
  address: `data:image/jpeg;base64,${Buffer.from(encodeJpeg(image)).toString('base64')}`,
});

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
