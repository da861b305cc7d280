/**
 * From a JPEG's Y, Cb, Cr to RGB with libjpeg's arithmetic, which is what PyTorch's, Pillow's and OpenCV's users see.
 *
 * Chroma at half resolution is interpolated by a triangle, ¾ the nearer and ¼ the farther sample (jdsample.c, fancy
 * upsampling: h2v1, h2v2), where the decoder behind us repeats samples; other ratios stay repeated. Colours
 * are converted in 16-bit fixed point with rounding (jdcolor.c), where the decoder cuts off.
 */

/** How many times wider and higher luma is than chroma. */
export interface Ratio {
  readonly x: number;
  readonly y: number;
}

interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * Converts interleaved Y, Cb, Cr in place. Chroma samples must be repeated to full size, so that every x-th column and
 * y-th row has the sample itself.
 */
export function toRgb(data: Uint8Array, width: number, height: number, ratio: Ratio): void {
  const known = ratio.x === 2 && (ratio.y === 1 || ratio.y === 2);
  const smooth = known && Math.ceil(width / 2) > 2; // libjpeg repeats the narrowest
  const planes = smooth ? [1, 2].map((channel) => samples(data, width, height, ratio, channel)) : [];
  const [cb, cr] = [new Uint8Array(width + 1), new Uint8Array(width + 1)];
  for (let row = 0; row < height; row++) {
    const line = data.subarray(3 * row * width, 3 * (row + 1) * width);
    if (smooth) {
      interpolate(planes[0], row, ratio.y, cb);
      interpolate(planes[1], row, ratio.y, cr);
    } else {
      for (let i = 0; i < width; i++) [cb[i], cr[i]] = [line[3 * i + 1], line[3 * i + 2]];
    }
    convert(line, cb, cr);
  }
}

/** The chroma samples as they were in the file. */
function samples(data: Uint8Array, width: number, height: number, ratio: Ratio, channel: number): Plane {
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

/**
 * One row of full width. Sums are in quarters (h2v1) or sixteenths (h2v2); roundings alternate so that they
 * cancel.
 */
function interpolate(plane: Plane, row: number, vertical: number, out: Uint8Array): void {
  const { width, height, data } = plane;
  const two = vertical === 2;
  const near = two ? row >> 1 : row;
  const far = two ? Math.min(Math.max(near + (row % 2 === 0 ? -1 : 1), 0), height - 1) : near;
  const [left, right, shift] = two ? [8, 7, 4] : [1, 2, 2];
  const sum = (i: number): number =>
    two ? 3 * data[near * width + i] + data[far * width + i] : data[near * width + i];
  let [before, here] = [sum(0), sum(0)];
  for (let i = 0; i < width; i++) {
    const after = i + 1 < width ? sum(i + 1) : here;
    out[2 * i] = (3 * here + before + left) >> shift;
    if (2 * i + 1 < out.length) out[2 * i + 1] = (3 * here + after + right) >> shift;
    before = here;
    here = after;
  }
}

/** 2¹⁶ times 1.402, 0.34414, 0.71414 and 1.772. */
const [CR_R, CB_G, CR_G, CB_B] = [91881, 22554, 46802, 116130];
const HALF = 1 << 15;

function convert(line: Uint8Array, cb: Uint8Array, cr: Uint8Array): void {
  for (let i = 0, at = 0; at < line.length; i++, at += 3) {
    const y = line[at];
    const [blue, red] = [cb[i] - 128, cr[i] - 128];
    line[at] = clamp(y + ((CR_R * red + HALF) >> 16));
    line[at + 1] = clamp(y + ((-CB_G * blue - CR_G * red + HALF) >> 16));
    line[at + 2] = clamp(y + ((CB_B * blue + HALF) >> 16));
  }
}

const clamp = (value: number): number => Math.min(Math.max(value, 0), 255);
