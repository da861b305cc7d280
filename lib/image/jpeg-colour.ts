/**
 * From the components of a JPEG to RGB with libjpeg's arithmetic, which is what PyTorch's, Pillow's and OpenCV's
 * users see.
 *
 * A component at half resolution is interpolated by a triangle, ¾ the nearer and ¼ the farther sample, across, down
 * or both (libjpeg-turbo's jdsample.c, fancy upsampling: h2v1, h1v2, h2v2), where the decoder repeats samples; other
 * ratios stay repeated. Y, Cb and Cr are converted in 16-bit fixed point with rounding (jdcolor.c), where the decoder
 * cuts off.
 */

/** How many times wider and higher the picture is than a component. */
export interface Ratio {
  readonly x: number;
  readonly y: number;
}

interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Three interleaved components of (height,width), each sample repeated to full size, as they are in the file. */
export interface Interleaved {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Smooths in place what is repeated. */
export function smooth(image: Interleaved, ratios: readonly Ratio[]): void {
  const { data, width, height } = image;
  ratios.forEach((ratio, channel) => {
    if (!isSmoothed(ratio, width)) return;
    const plane = samples(image, ratio, channel);
    const line = new Uint8Array(ratio.x * plane.width);
    for (let row = 0, at = channel; row < height; row++) {
      interpolate(plane, row, ratio, line);
      for (let i = 0; i < width; i++, at += 3) data[at] = line[i];
    }
  });
}

/** As jinit_upsampler chooses: the narrowest components are repeated across, but smoothed down. */
function isSmoothed({ x, y }: Ratio, width: number): boolean {
  if (x === 1) return y === 2;
  return x === 2 && (y === 1 || y === 2) && Math.ceil(width / 2) > 2;
}

/** A component's samples as they were in the file. */
function samples({ data, width, height }: Interleaved, ratio: Ratio, channel: number): Plane {
  const plane = {
    width: Math.ceil(width / ratio.x),
    height: Math.ceil(height / ratio.y),
    data: new Uint8Array(Math.ceil(width / ratio.x) * Math.ceil(height / ratio.y)),
  };
  for (let y = 0, to = 0; y < plane.height; y++) {
    for (let x = 0; x < plane.width; x++) {
      plane.data[to++] = data[3 * (y * ratio.y * width + x * ratio.x) + channel];
    }
  }
  return plane;
}

/** One row of full width. Roundings alternate so that they cancel: across by column, down by row. */
function interpolate(plane: Plane, row: number, { x, y }: Ratio, out: Uint8Array): void {
  const { width, height, data } = plane;
  const below = row % 2 === 1;
  const near = y === 2 ? row >> 1 : row;
  const far = Math.min(Math.max(near + (below ? 1 : -1), 0), height - 1);
  /** The sum down: in quarters, or the sample itself. */
  const down = (i: number): number =>
    y === 2 ? 3 * data[near * width + i] + data[far * width + i] : data[near * width + i];
  if (x === 1) {
    for (let i = 0; i < width; i++) out[i] = (down(i) + (below ? 2 : 1)) >> 2;
    return;
  }
  const [left, right, shift] = y === 2 ? [8, 7, 4] : [1, 2, 2]; // sums are in sixteenths, or in quarters
  let before = down(0);
  let here = before;
  for (let i = 0; i < width; i++) {
    const after = i + 1 < width ? down(i + 1) : here;
    out[2 * i] = (3 * here + before + left) >> shift;
    out[2 * i + 1] = (3 * here + after + right) >> shift;
    before = here;
    here = after;
  }
}

/** 2¹⁶ times 1.402, 0.34414, 0.71414 and 1.772. */
const CR_R = 91881;
const CB_G = 22554;
const CR_G = 46802;
const CB_B = 116130;
const HALF = 1 << 15;

/** Interleaved Y, Cb, Cr to R, G, B in place. */
export function toRgb({ buffer, byteOffset, length }: Uint8Array): void {
  const data = new Uint8ClampedArray(buffer, byteOffset, length);
  for (let at = 0; at < length; at += 3) {
    const y = data[at];
    const blue = data[at + 1] - 128;
    const red = data[at + 2] - 128;
    data[at] = y + ((CR_R * red + HALF) >> 16);
    data[at + 1] = y + ((-CB_G * blue - CR_G * red + HALF) >> 16);
    data[at + 2] = y + ((CB_B * blue + HALF) >> 16);
  }
}
