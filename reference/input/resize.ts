/**
 * Pillow's antialiased bilinear resize of an 8-bit RGB picture, to the last bit (src/libImaging/Resample.c).
 *
 * A triangle as wide as the scale (never under one pixel), its weights normalised and rounded to 22-bit fixed point;
 * a horizontal pass, rounded to 8 bits, then a vertical one. A pass that changes no size is left out. Every output
 * pixel depends on its own taps alone, so a window of the result has the bits it has in the whole.
 */

/** A decoded picture: RGB interleaved, rows from the top; data.length = 3·width·height. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle of the resized picture, in its pixels. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const PRECISION_BITS = 22;
const ONE = 1 << PRECISION_BITS;
const HALF = 1 << (PRECISION_BITS - 1);

/** For each output position: first input position, number of taps, and the weights, `span` places for each. */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly span: number;
}

/**
 * What one output position reads when `input` pixels become `output`, in real numbers: the weights of the pixels from
 * `first` on, which sum to 1; before that division their sum was `sum`. `centre` and `support`: of the triangle.
 */
export function triangle(input: number, output: number, position: number) {
  const scale = input / output;
  const support = Math.max(scale, 1);
  const inverse = 1 / support;
  const centre = (position + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - support + 0.5), 0);
  const count = Math.min(Math.trunc(centre + support + 0.5), input) - first;
  const weights = new Float64Array(count);
  let sum = 0;
  for (let t = 0; t < count; t++) {
    weights[t] = Math.max(1 - Math.abs((t + first - centre + 0.5) * inverse), 0);
    sum += weights[t];
  }
  for (let t = 0; t < count; t++) weights[t] /= sum;
  return { first, weights, sum, centre, support };
}

/** Of output positions [from, from + length). */
function fixedPoint(input: number, output: number, from: number, length: number): Taps {
  const span = Math.ceil(Math.max(input / output, 1)) * 2 + 1;
  const taps = {
    first: new Int32Array(length),
    count: new Int32Array(length),
    weights: new Int32Array(length * span),
    span,
  };
  for (let i = 0; i < length; i++) {
    const { first, weights } = triangle(input, output, from + i);
    for (const [t, weight] of weights.entries()) taps.weights[i * span + t] = Math.trunc(0.5 + weight * ONE);
    taps.first[i] = first;
    taps.count[i] = weights.length;
  }
  return taps;
}

const toByte = (sum: number): number => Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);

/** Columns of the window, for rows [top, top + height) of the input. */
function horizontal(image: Image, width: number, window: Rectangle, top: number, height: number): Image {
  const { x, width: columns } = window;
  const data = new Uint8Array(3 * columns * height);
  if (width === image.width) {
    for (let row = 0; row < height; row++) {
      const at = 3 * ((top + row) * image.width + x);
      data.set(image.data.subarray(at, at + 3 * columns), 3 * row * columns);
    }
    return { width: columns, height, data };
  }
  const { first, count, weights, span } = fixedPoint(image.width, width, x, columns);
  const pixels = image.data;
  for (let row = 0, to = 0; row < height; row++) {
    const line = (top + row) * image.width;
    for (let column = 0; column < columns; column++) {
      let r = HALF;
      let g = HALF;
      let b = HALF;
      let at = 3 * (line + first[column]);
      const end = column * span + count[column];
      for (let k = column * span; k < end; k++, at += 3) {
        const weight = weights[k];
        r += pixels[at] * weight;
        g += pixels[at + 1] * weight;
        b += pixels[at + 2] * weight;
      }
      data[to++] = toByte(r);
      data[to++] = toByte(g);
      data[to++] = toByte(b);
    }
  }
  return { width: columns, height, data };
}

/** Rows of the window from the rows of `image`, the first of which is row `top` of the input. */
function vertical(image: Image, taps: Taps, top: number, rows: number): Image {
  const stride = 3 * image.width;
  const data = new Uint8Array(stride * rows);
  const sums = new Int32Array(stride);
  for (let row = 0; row < rows; row++) {
    sums.fill(HALF);
    for (let t = 0; t < taps.count[row]; t++) {
      const weight = taps.weights[row * taps.span + t];
      const line = (taps.first[row] - top + t) * stride;
      for (let i = 0; i < stride; i++) sums[i] += image.data[line + i] * weight;
    }
    for (let i = 0; i < stride; i++) data[row * stride + i] = toByte(sums[i]);
  }
  return { width: image.width, height: rows, data };
}

/**
 * The picture at width×height, or only a window of that. Only the rows and columns that the window needs are computed.
 * Throws if a size is not a positive integer, the data do not have the picture's size, or the window leaves the
 * result.
 */
export function resizeBilinear(image: Image, width: number, height: number, window?: Rectangle): Image {
  const view = window ?? { x: 0, y: 0, width, height };
  check(image, width, height, view);
  if (height === image.height) return horizontal(image, width, view, view.y, view.height);
  const taps = fixedPoint(image.height, height, view.y, view.height);
  const last = view.height - 1;
  const top = taps.first[0];
  const rows = taps.first[last] + taps.count[last] - top;
  return vertical(horizontal(image, width, view, top, rows), taps, top, view.height);
}

function check(image: Image, width: number, height: number, window: Rectangle): void {
  if (image.data.length !== 3 * image.width * image.height) {
    throw new RangeError(
      `resize: ${image.width}×${image.height} needs ${3 * image.width * image.height} bytes of RGB (data has ${image.data.length})`,
    );
  }
  for (const size of [image.width, image.height, width, height, window.width, window.height]) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`resize: sizes must be 1 or more (= ${size})`);
  }
  const { x, y } = window;
  if (x < 0 || y < 0 || x + window.width > width || y + window.height > height) {
    throw new RangeError(
      `resize: a window of ${window.width}×${window.height} at (${x}, ${y}) does not lie in ${width}×${height}`,
    );
  }
}
