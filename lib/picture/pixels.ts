/** A picture as pixels, two a unit: squares, letters, polygons and thin lines, the same on every machine. */
import { inflateSync } from 'node:zlib';
import type { Image } from '../../reference/input/preprocess.ts';
import type { Colour } from './colour.ts';
import { faces } from './font.ts';
import { DENSITY, type Item, letterOf, type Point, type Sheet } from './sheet.ts';

export function pixelsOf({ width, height, items }: Sheet): Image {
  const canvas = { width: width * DENSITY, height: height * DENSITY };
  const image = { ...canvas, data: new Uint8Array(3 * canvas.width * canvas.height).fill(255) };
  for (const item of items) {
    if (item.kind === 'raster') placeRaster(image, item);
    else if (item.kind === 'text') write(image, item);
    else drawShape(image, item);
  }
  return image;
}

/** Mixes a colour into a pixel, `share` of it from 0 to 1. What is outside the picture is left out. */
function blend({ width, height, data }: Image, x: number, y: number, colour: Colour, share: number): void {
  if (share <= 0 || x < 0 || y < 0 || x >= width || y >= height) return;
  const at = 3 * (y * width + x);
  for (let c = 0; c < 3; c++) data[at + c] = Math.round(data[at + c] + (colour[c] - data[at + c]) * share);
}

function placeRaster(to: Image, { x, y, width, height, image }: Item & { kind: 'raster' }): void {
  const left = Math.round(x * DENSITY);
  const top = Math.round(y * DENSITY);
  const columns = Math.round(width * DENSITY);
  const rows = Math.round(height * DENSITY);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from =
        Math.floor((row * image.height) / rows) * image.width + Math.floor((column * image.width) / columns);
      const at = 3 * ((top + row) * to.width + left + column);
      to.data.set(image.data.subarray(3 * from, 3 * from + 3), at);
    }
  }
}

// ---- Letters.

/** Ink of a face, unpacked when it is first written with: 0 to 15. */
const unpacked = new Map<string, Uint8Array>();

function inkOf(face: keyof typeof faces): Uint8Array {
  const known = unpacked.get(face);
  if (known) return known;
  const packed = inflateSync(Buffer.from(faces[face].ink, 'base64'));
  const levels = new Uint8Array(2 * packed.length).map((_, i) =>
    i % 2 === 0 ? packed[i >> 1] >> 4 : packed[i >> 1] & 15,
  );
  unpacked.set(face, levels);
  return levels;
}

function write(image: Image, { x, y, text, face, colour }: Item & { kind: 'text' }): void {
  const { advances, height, ascent } = faces[face];
  const ink = inkOf(face);
  const wide = advances.reduce<number>((sum, advance) => sum + advance, 0);
  const top = Math.round(y * DENSITY) - ascent;
  let left = Math.round(x * DENSITY);
  for (const letter of text) {
    const at = letterOf(letter);
    const from = advances.slice(0, at).reduce<number>((sum, advance) => sum + advance, 0);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < advances[at]; column++)
        blend(image, left + column, top + row, colour, ink[row * wide + from + column] / 15);
    }
    left += advances[at];
  }
}

// ---- Polygons and lines.

function drawShape(image: Image, { points, fill, stroke }: Item & { kind: 'shape' }): void {
  const at = points.map(([x, y]): Point => [x * DENSITY, y * DENSITY]);
  const [xs, ys] = [at.map(([x]) => x), at.map(([, y]) => y)];
  const closed = fill ? [...at, at[0]] : at;
  for (let y = Math.floor(Math.min(...ys)) - 1; y <= Math.max(...ys) + 1; y++) {
    for (let x = Math.floor(Math.min(...xs)) - 1; x <= Math.max(...xs) + 1; x++) {
      if (fill) blend(image, x, y, fill, covered(at, x, y));
      if (stroke) blend(image, x, y, stroke, 1 - distance(closed, x + 0.5, y + 0.5));
    }
  }
}

/** Samples along each side of a pixel. */
const FINE = 4;

/** How much of a pixel is inside a polygon. */
function covered(polygon: readonly Point[], x: number, y: number): number {
  let inside = 0;
  for (let i = 0; i < FINE * FINE; i++) {
    const [px, py] = [x + ((i % FINE) + 0.5) / FINE, y + (Math.floor(i / FINE) + 0.5) / FINE];
    if (contains(polygon, px, py)) inside++;
  }
  return inside / (FINE * FINE);
}

/** By the number of edges to the right. */
function contains(polygon: readonly Point[], x: number, y: number): boolean {
  let odd = false;
  for (const [i, [ax, ay]] of polygon.entries()) {
    const [bx, by] = polygon[(i + 1) % polygon.length];
    if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) odd = !odd;
  }
  return odd;
}

/** From a point to the nearest place of a line through points. */
function distance(points: readonly Point[], x: number, y: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [i, [bx, by]] of points.entries()) {
    if (i === 0) continue;
    const [ax, ay] = points[i - 1];
    const length = (bx - ax) * (bx - ax) + (by - ay) * (by - ay);
    const along = length === 0 ? 0 : ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length;
    const at = Math.min(1, Math.max(0, along));
    const [dx, dy] = [x - ax - at * (bx - ax), y - ay - at * (by - ay)];
    least = Math.min(least, dx * dx + dy * dy);
  }
  return Math.sqrt(least);
}
