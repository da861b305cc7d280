/** From decoded pixels to the exact numbers a network wants. */

/** What is done to a picture, in this order: resize, crop, range, channel order, minus mean, divided by deviation. */
export interface Preprocess {
  /**
   * none: taken as it is; warp: to size×size whatever the aspect; shorter: shorter side to `size`, longer side to
   * ⌊size·long/short⌋. Always Pillow's antialiased bilinear in 8-bit fixed point.
   */
  readonly resize: { readonly mode: 'none' | 'warp' | 'shorter'; readonly size: number };
  /** Side of the square crop at the centre; 0 for none. An odd remainder rounds down, or half to even as Python does. */
  readonly crop: { readonly size: number; readonly offset: 'floor' | 'half-even' };
  readonly channels: 'RGB' | 'BGR';
  /** 255: values 0..255; 1: values 0..1. */
  readonly range: 255 | 1;
  /** Per channel, in the order of `channels` and in units of `range`; a mean image takes its place (see `meanImage`). */
  readonly mean: readonly number[];
  /** Per channel; 1 for none. */
  readonly deviation: readonly number[];
  /** A mean image (C,H,W) is needed and goes before `mean`: cifar10-full. Its centre crop is subtracted. */
  readonly meanImage: 'none' | 'optional' | 'required';
}

/** AlexNet as its authors fed it: shorter side 256, centre crop, RGB 0..255, the training set's mean colour. */
export const krizhevsky = (crop: number): Preprocess => ({
  resize: { mode: 'shorter', size: 256 },
  crop: { size: crop, offset: 'floor' },
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
export const torchvision: Preprocess = {
  resize: { mode: 'shorter', size: 256 },
  crop: { size: 224, offset: 'half-even' },
  channels: 'RGB',
  range: 1,
  mean: [0.485, 0.456, 0.406],
  deviation: [0.229, 0.224, 0.225],
  meanImage: 'none',
};

/** The only published script behind the zoo's accuracy (intel/neural-compressor): warped to 224, BGR, mean pixel. */
export const onnxZoo: Preprocess = {
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
