/**
 * What training does to a picture (section 4.1): a random crop, a mirror, and light along the principal colours.
 *
 * The paper and the source that its authors released disagree; both are here, by name:
 *
 * offsets   'all': every position, 33×33 of a 224 crop in 256 (convdata_jpeg.py: randint(0, 2·border + 1); Caffe:
 *           Rand(256 − 227 + 1)). 'paper': 32×32, which gives the "factor of 2048" with mirrors.
 * chunk     1: crop and mirror drawn for each image (paper, Caffe). 32: once for 32 images in a row
 *           (convdata_jpeg.py).
 * lighting  'paper': Σ pᵢ·αᵢ·λᵢ, αᵢ ~ N(0, 0.1), λ the eigenvalues: on 0..255 that swamps the picture.
 *           'root': √λᵢ in place of λᵢ, as the released code has it.
 *           'as-run': 'root', and the sum of picture and light divided by 1.1.
 * mean      'centre': the mean image's centre crop, wherever the picture was cut (convdata_jpeg.py). 'crop': the mean
 *           image cut at the picture's offset, then mirrored with it (Caffe's data_transformer.cpp).
 *
 * Drawing is separate from doing: the same draws go into the training graph of every device and into the oracle.
 */

import { normals, streamOf, words } from '../random.ts';
import { dense, type Tensor, zeros } from '../tensor.ts';
import type { Principal } from './pca.ts';
import { centreOffset, type Preprocess } from './preprocess.ts';

export interface Augmentation {
  /** Side of the crop. */
  readonly crop: number;
  readonly offsets: 'all' | 'paper';
  readonly mirror: boolean;
  readonly chunk: 1 | 32;
  readonly lighting: 'none' | 'paper' | 'root' | 'as-run';
}

/** The sources' own. */
export const augmentations = {
  /** The paper's text. Its lighting taken to the letter makes noise of its pictures: see the header. */
  paper: { crop: 224, offsets: 'paper', mirror: true, chunk: 1, lighting: 'paper' },
  /** The released source, configuration 145. */
  'as-run': { crop: 224, offsets: 'all', mirror: true, chunk: 32, lighting: 'as-run' },
  /** Caffe's models/bvlc_alexnet/train_val.prototxt: no lighting. */
  caffe: { crop: 227, offsets: 'all', mirror: true, chunk: 1, lighting: 'none' },
} as const satisfies Record<string, Augmentation>;

/** Standard deviation of αᵢ. */
const LIGHT = 0.1;

/** What was drawn for N images. */
export interface Draws {
  /** N pairs (y, x). */
  readonly offsets: Int32Array;
  /** N times 1 (mirrored) or 0. */
  readonly mirrored: Uint8Array;
  /** N triples (R, G, B) to be added, in units of 0..255. */
  readonly light: Float32Array;
}

/**
 * Draws for images number `first` … `first + count − 1` that the training sees (epoch · images + position):
 * the same for a seed however they are cut into batches. `side` is that of the square pictures.
 *
 * Crop and mirror of chunk j are words 4j, 4j + 1, 4j + 2 of stream 'augment.crop'; image n's αs are normals
 * 3n … 3n + 2 of stream 'augment.lighting'.
 *
 * Throws if the crop is larger than the picture, or lighting is asked for without principal colours.
 */
export function draw(
  seed: number,
  first: number,
  count: number,
  side: number,
  how: Augmentation,
  colours?: Principal,
): Draws {
  const places = placesOf(side, how);
  const chunk = Math.floor(first / how.chunk);
  const chunks = Math.floor((first + count - 1) / how.chunk) - chunk + 1;
  const random = words(seed, streamOf('augment.crop'), 4 * chunks, 4 * chunk);
  const draws = {
    offsets: new Int32Array(2 * count),
    mirrored: new Uint8Array(count),
    light: new Float32Array(3 * count),
  };
  for (let n = 0; n < count; n++) {
    const at = 4 * (Math.floor((first + n) / how.chunk) - chunk);
    draws.offsets[2 * n] = below(places, random[at]);
    draws.offsets[2 * n + 1] = below(places, random[at + 1]);
    draws.mirrored[n] = how.mirror ? below(2, random[at + 2]) : 0;
  }
  if (how.lighting !== 'none') fillLight(draws.light, seed, first, how.lighting, colours);
  return draws;
}

/** A word as a whole number 0 ≤ n < places, each as likely as the next to within places·2⁻³². */
const below = (places: number, word: number): number => Math.floor((word * places) / 0x100000000);

/** Number of offsets along one axis. */
function placesOf(side: number, { crop, offsets }: Augmentation): number {
  const rest = side - crop;
  if (rest < 0) throw new RangeError(`augment: a crop of ${crop} does not fit into ${side}`);
  return offsets === 'all' ? rest + 1 : Math.max(rest, 1);
}

function fillLight(
  light: Float32Array,
  seed: number,
  first: number,
  lighting: Augmentation['lighting'],
  colours: Principal | undefined,
): void {
  if (!colours) throw new RangeError(`augment: lighting '${lighting}' needs the principal colours`);
  const { eigenvalues, eigenvectors } = colours;
  const alphas = normals(seed, streamOf('augment.lighting'), light.length, 3 * first);
  for (let n = 0; n < light.length; n += 3) {
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let i = 0; i < 3; i++) {
        const strength = lighting === 'paper' ? eigenvalues[i] : Math.sqrt(eigenvalues[i]);
        sum += eigenvectors[i][c] * (LIGHT * alphas[n + i] * strength);
      }
      light[n + c] = sum;
    }
  }
}

export interface AugmentOptions {
  /** (3,S,S), in the order of the preprocessing's channels; in place of its mean. */
  readonly meanImage?: Tensor;
  readonly meanAt?: 'centre' | 'crop';
}

/**
 * N square pictures of 8-bit planes (N,3,side,side), RGB, to the training input (N,3,crop,crop), float32.
 * Each step rounds to float32, in this order: / 255 (range 1 only), − mean, + light, / deviation, / 1.1 ('as-run'
 * only). The preprocessing's resize and crop are not used. Throws if lengths or shapes disagree.
 */
export function augment(
  images: Uint8Array,
  side: number,
  draws: Draws,
  how: Augmentation,
  spec: Preprocess,
  options: AugmentOptions = {},
): Tensor {
  const count = draws.mirrored.length;
  const places = placesOf(side, how);
  if (images.length !== 3 * count * side * side) {
    throw new RangeError(
      `augment: ${count} pictures of ${side}×${side} are ${3 * count * side * side} bytes (= ${images.length})`,
    );
  }
  if (draws.offsets.some((offset) => offset < 0 || offset >= places)) {
    throw new RangeError(`augment: an offset does not lie in 0 to ${places - 1}`);
  }
  const { fround } = Math;
  const mean = meanOf(side, how.crop, spec, options);
  const x = zeros([count, 3, how.crop, how.crop]);
  const shrink = how.lighting === 'as-run' ? fround(1 + LIGHT) : 1;
  let to = 0;
  for (let n = 0; n < count; n++) {
    const top = draws.offsets[2 * n];
    const left = draws.offsets[2 * n + 1];
    for (let c = 0; c < 3; c++) {
      const colour = spec.channels === 'RGB' ? c : 2 - c;
      const light = fround(
        spec.range === 1 ? draws.light[3 * n + colour] / 255 : draws.light[3 * n + colour],
      );
      const deviation = fround(spec.deviation[c]);
      for (let row = 0; row < how.crop; row++) {
        for (let column = 0; column < how.crop; column++) {
          const across = left + (draws.mirrored[n] ? how.crop - 1 - column : column);
          const value = images[((3 * n + colour) * side + top + row) * side + across];
          const ranged = spec.range === 1 ? fround(value / 255) : value;
          const centred = fround(ranged - mean(c, row, column, top + row, across));
          x.data[to++] = fround(fround(fround(centred + light) / deviation) / shrink);
        }
      }
    }
  }
  return x;
}

/** What to subtract at a row and column of the output, which came from that row and column of the picture. */
type MeanAt = (c: number, row: number, column: number, fromRow: number, fromColumn: number) => number;

function meanOf(side: number, crop: number, spec: Preprocess, options: AugmentOptions): MeanAt {
  const { meanImage, meanAt = 'centre' } = options;
  const pixel = spec.mean.map(Math.fround);
  if (!meanImage) return (c) => pixel[c];
  if (meanImage.shape.join() !== `3,${side},${side}`) {
    throw new RangeError(`augment: the mean image must be [3,${side},${side}] (= [${meanImage.shape}])`);
  }
  const data = new Float32Array(dense(meanImage));
  const centre = centreOffset(side, crop, 'floor');
  const value = (c: number, row: number, column: number) => data[(c * side + row) * side + column];
  if (meanAt === 'crop') return (c, _row, _column, fromRow, fromColumn) => value(c, fromRow, fromColumn);
  return (c, row, column) => value(c, row + centre, column + centre);
}
