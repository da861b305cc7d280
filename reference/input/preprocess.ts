/**
 * From decoded pixels to the exact numbers a network wants: resize, crop, ten views, channel order, range, mean,
 * deviation.
 *
 * Arithmetic is that of float32 tensors, one rounding per step, in the order of torchvision's ToTensor and Normalize:
 * x / 255 (range 1 only), − mean, / deviation, with mean and deviation rounded to float32 first. On 0..255 that is
 * also Caffe's (data_transformer.cpp).
 */

import { must, mustBeObject, mustBeShape } from '../named.ts';
import { dense, type Tensor, zeros } from '../tensor.ts';
import { type Image, type Rectangle, resizeBilinear } from './resize.ts';

export type { Image } from './resize.ts';

/** What is done to a picture, in this order: resize, crop, range, channel order, minus mean, divided by deviation. */
export interface Preprocess {
  /**
   * none: taken as it is; warp: to size×size whatever the aspect; shorter: shorter side to `size`, longer side to
   * ⌊size·long/short⌋. Always Pillow's antialiased bilinear in 8-bit fixed point.
   */
  readonly resize: { readonly mode: 'none' | 'warp' | 'shorter'; readonly size: number };
  /**
   * Side of the square crop at the centre; 0 for none. An odd remainder rounds down, or half to even as
   * Python does.
   */
  readonly crop: { readonly size: number; readonly offset: 'floor' | 'half-even' };
  readonly channels: 'RGB' | 'BGR';
  /** 255: values 0..255; 1: values 0..1. */
  readonly range: 255 | 1;
  /**
   * Per channel, in the order of `channels` and in units of `range`; a mean image takes its place (see
   * `meanImage`).
   */
  readonly mean: readonly number[];
  /** Per channel; 1 for none. */
  readonly deviation: readonly number[];
  /** A mean image (C,H,W) is needed and goes before `mean`: cifar10-full. Its centre crop is subtracted. */
  readonly meanImage: 'none' | 'optional' | 'required';
}

/**
 * AlexNet as its authors fed it: shorter side 256, centre crop, RGB 0..255, the training set's mean colour.
 * The paper does not say how an odd remainder of the crop is rounded; it is rounded as torchvision does.
 */
export const krizhevsky = (crop: number): Preprocess => ({
  resize: { mode: 'shorter', size: 256 },
  crop: { size: crop, offset: 'half-even' },
  channels: 'RGB',
  range: 255,
  mean: [127.305, 119.715, 104.913],
  deviation: [1, 1, 1],
  meanImage: 'optional',
});

/** Caffe's: warped to 256×256, crop at offset 14, BGR, mean pixel. */
export const caffe: Preprocess = {
  resize: { mode: 'warp', size: 256 },
  crop: { size: 227, offset: 'floor' },
  channels: 'BGR',
  range: 255,
  mean: [104, 117, 123],
  deviation: [1, 1, 1],
  meanImage: 'optional',
};

/** torchvision's presets (transforms/_presets.py). */
export const torchvisionPreprocess: Preprocess = {
  resize: { mode: 'shorter', size: 256 },
  crop: { size: 224, offset: 'half-even' },
  channels: 'RGB',
  range: 1,
  mean: [0.485, 0.456, 0.406],
  deviation: [0.229, 0.224, 0.225],
  meanImage: 'none',
};

/** The only published script behind the zoo's accuracy (intel/neural-compressor): warped to 224, BGR, mean pixel. */
export const onnxZooPreprocess: Preprocess = {
  resize: { mode: 'warp', size: 224 },
  crop: { size: 0, offset: 'floor' },
  channels: 'BGR',
  range: 255,
  mean: [103.939, 116.779, 123.68],
  deviation: [1, 1, 1],
  meanImage: 'none',
};

/** Caffe's CIFAR-10 example: pixels as they are, minus the mean image. */
export const cifar: Preprocess = {
  resize: { mode: 'none', size: 32 },
  crop: { size: 0, offset: 'floor' },
  channels: 'RGB',
  range: 255,
  mean: [0, 0, 0],
  deviation: [1, 1, 1],
  meanImage: 'required',
};

/** Of a picture, in pixels. */
export type Extent = Pick<Image, 'width' | 'height'>;

/** Width and height to which a picture is resized. Throws if it is taken as it is and has the wrong size. */
export function resizedSize(
  { width, height }: Extent,
  { resize }: Preprocess,
): readonly [width: number, height: number] {
  const { mode, size } = resize;
  if (mode === 'warp') return [size, size];
  if (mode === 'shorter') {
    return width <= height
      ? [size, Math.floor((size * height) / width)]
      : [Math.floor((size * width) / height), size];
  }
  if (width !== size || height !== size) {
    throw new RangeError(
      `preprocess: the picture must be ${size}×${size}, it is not resized (= ${width}×${height})`,
    );
  }
  return [size, size];
}

/** Where a centred crop starts. An odd remainder rounds down, or half to even as Python's round does. */
export function centreOffset(extent: number, crop: number, rule: 'floor' | 'half-even'): number {
  const rest = extent - crop;
  const down = Math.floor(rest / 2);
  return rule === 'half-even' && rest % 2 === 1 && down % 2 === 1 ? down + 1 : down;
}

/** The centred window of side `crop` (all of it for 0). Throws if the crop is larger than what it is taken from. */
export function centreWindow(width: number, height: number, crop: Preprocess['crop']): Rectangle {
  if (crop.size === 0) return { x: 0, y: 0, width, height };
  if (crop.size > width || crop.size > height) {
    throw new RangeError(`preprocess: a crop of ${crop.size} does not fit into ${width}×${height}`);
  }
  return {
    x: centreOffset(width, crop.size, crop.offset),
    y: centreOffset(height, crop.size, crop.offset),
    width: crop.size,
    height: crop.size,
  };
}

/** A rectangle of a picture. */
export const crop = (image: Image, window: Rectangle): Image =>
  resizeBilinear(image, image.width, image.height, window);

/** Left and right exchanged. */
export function mirror({ width, height, data }: Image): Image {
  const mirrored = new Uint8Array(data.length);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = 3 * (row * width + column);
      const to = 3 * (row * width + width - 1 - column);
      for (let c = 0; c < 3; c++) mirrored[to + c] = data[from + c];
    }
  }
  return { width, height, data: mirrored };
}

/**
 * The ten views of section 4.1: top left, top right, bottom left, bottom right, centre, then the mirrors of
 * these in the same order (torchvision's TenCrop and pycaffe's oversample have this order too).
 */
function tenCrops(image: Image, spec: Preprocess): readonly Image[] {
  const five = viewWindows(image.width, image.height, spec.crop).map((window) => crop(image, window));
  return [...five, ...five.map(mirror)];
}

/** The first five of the ten. */
export function viewWindows(width: number, height: number, c: Preprocess['crop']): readonly Rectangle[] {
  if (c.size === 0) throw new RangeError('preprocess: ten views need a crop (= 0)');
  const centre = centreWindow(width, height, c);
  const right = width - c.size;
  const bottom = height - c.size;
  const corner = (x: number, y: number): Rectangle => ({ ...centre, x, y });
  return [corner(0, 0), corner(right, 0), corner(0, bottom), corner(right, bottom), centre];
}

/** 1: the centre crop; 2: it and its mirror image; 10: see `tenCrops`. */
export type Views = 1 | 2 | 10;

/**
 * Resized, and of that the central square, 8-bit RGB: what training keeps of a picture and cuts its crops
 * from (section 2).
 */
export function centreSquare(image: Image, spec: Preprocess): Image {
  const [width, height] = resizedSize(image, spec);
  const square = { size: Math.min(width, height), offset: spec.crop.offset };
  return resizeBilinear(image, width, height, centreWindow(width, height, square));
}

/**
 * Resized, and the views cut out of it, still 8-bit RGB. The ten views come, as in section 2 of the paper,
 * from the central square of the resized picture (torchvision's TenCrop would take the corners of all of it).
 */
export function cropViews(image: Image, spec: Preprocess, views: Views = 1): readonly Image[] {
  if (views === 10) return tenCrops(centreSquare(image, spec), spec);
  const [width, height] = resizedSize(image, spec);
  const centre = resizeBilinear(image, width, height, centreWindow(width, height, spec.crop));
  return views === 2 ? [centre, mirror(centre)] : [centre];
}

export interface PreprocessOptions {
  /**
   * (3,H,W), in the order of `channels` and in units of `range`. Its centre crop is subtracted from every
   * view, mirrored or not, wherever the view was cut (cuda-convnet's rule), and takes the place of `mean`.
   */
  readonly meanImage?: Tensor;
  readonly views?: Views;
}

/**
 * The input that a network wants: (views,3,H,W), float32. Throws if the picture or the mean image does not
 * fit, and if a required mean image is missing.
 */
export function preprocess(image: Image, spec: Preprocess, options: PreprocessOptions = {}): Tensor {
  mustBeObject('image', image);
  must(ArrayBuffer.isView(image.data), 'image: data', 'bytes', image.data);
  mustBeObject('spec', spec);
  for (const part of ['resize', 'crop'] as const) mustBeObject(`spec: ${part}`, spec[part]);
  for (const part of ['mean', 'deviation'] as const) mustBeShape(`spec: ${part}`, spec[part]);
  mustBeObject('options', options);
  if (spec.mean.length !== 3 || spec.deviation.length !== 3) {
    throw new RangeError(
      `preprocess: mean and deviation must have 3 values (= ${spec.mean.length}, ${spec.deviation.length})`,
    );
  }
  const views = cropViews(image, spec, options.views);
  const [{ width, height }] = views;
  const planes = meanPlanes(spec, options.meanImage, width, height);
  const x = zeros([views.length, 3, height, width]);
  const size = width * height;
  for (const [n, view] of views.entries()) {
    for (let c = 0; c < 3; c++) {
      const plane = x.data.subarray((3 * n + c) * size, (3 * n + c + 1) * size);
      normalise(view.data, spec.channels === 'RGB' ? c : 2 - c, plane, planes[c], spec, c);
    }
  }
  return x;
}

/** One channel of one view. `mean` has one value, or one for each pixel. */
function normalise(
  pixels: Uint8Array,
  channel: number,
  out: Float32Array | Float64Array,
  mean: ArrayLike<number>,
  spec: Preprocess,
  c: number,
): void {
  const { fround } = Math;
  const deviation = fround(spec.deviation[c]);
  for (let i = 0; i < out.length; i++) {
    const value = pixels[3 * i + channel];
    const ranged = spec.range === 1 ? fround(value / 255) : value;
    out[i] = fround(fround(ranged - fround(mean.length === 1 ? mean[0] : mean[i])) / deviation);
  }
}

/** What is subtracted from each channel: a value, or one for each pixel. */
export function meanPlanes(
  spec: Preprocess,
  meanImage: Tensor | undefined,
  width: number,
  height: number,
): ArrayLike<number>[] {
  if (!meanImage) {
    if (spec.meanImage === 'required') throw new RangeError('preprocess: a mean image is required');
    return spec.mean.map((value) => [value]);
  }
  if (spec.meanImage === 'none') throw new RangeError('preprocess: this preprocessing takes no mean image');
  const [channels, rows, columns] = meanImage.shape;
  if (meanImage.dimension !== 3 || channels !== 3 || rows < height || columns < width) {
    throw new RangeError(
      `preprocess: the mean image must be [3,${height},${width}] or larger (= [${meanImage.shape}])`,
    );
  }
  const data = dense(meanImage);
  const top = centreOffset(rows, height, 'floor');
  const left = centreOffset(columns, width, 'floor');
  return [0, 1, 2].map((c) => {
    const plane = new Float32Array(height * width);
    for (let y = 0; y < height; y++) {
      const from = (c * rows + top + y) * columns + left;
      plane.set(data.subarray(from, from + width), y * width);
    }
    return plane;
  });
}
