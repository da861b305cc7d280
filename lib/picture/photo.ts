/** A photo made by the program, where nobody brought one: a ship at sea, drawn with soft edges and a little grain. */
import type { Image } from '../../reference/input/preprocess.ts';
import { uniform, words } from '../../reference/random.ts';

const SIDE = 256;

type Colour = readonly [number, number, number];

/** How much of a pixel something covers, 0 to 1, from its signed distance to the edge (positive inside). */
const cover = (distance: number): number => Math.min(1, Math.max(0, distance + 0.5));

const mix = (under: Colour, over: Colour, share: number): Colour => [
  under[0] + (over[0] - under[0]) * share,
  under[1] + (over[1] - under[1]) * share,
  under[2] + (over[2] - under[2]) * share,
];

/** Of a rectangle. */
const box = (x: number, y: number, left: number, top: number, right: number, bottom: number): number =>
  cover(Math.min(x - left, right - x, y - top, bottom - y));

/** Sky, sea, hull, deckhouse, funnel, smoke: what a painter would do, back to front. */
function scene(x: number, y: number): Colour {
  const horizon = 150;
  const sky = mix([112, 158, 208], [214, 226, 236], y / horizon);
  const depth = (y - horizon) / (SIDE - horizon);
  const wave = 10 * triangle(x / 23 + 7 * depth * depth + y / 5) * (0.3 + depth);
  const sea = mix([92, 124, 150], [30, 62, 96], depth);
  let colour = mix(sky, [sea[0] + wave, sea[1] + wave, sea[2] + wave], cover(y - horizon));
  const hullTop = 138;
  const hullBottom = 178;
  const slant = (y - hullTop) * 0.75;
  const hull = Math.min(x - (34 + slant), 226 - slant * 0.45 - x, y - hullTop, hullBottom - y);
  colour = mix(colour, [228, 228, 222], box(x, y, 76, 108, 196, 139));
  colour = mix(colour, [240, 240, 236], box(x, y, 96, 86, 176, 109));
  for (let i = 0; i < 9; i++)
    colour = mix(colour, [62, 74, 92], box(x, y, 84 + 12 * i, 118, 90 + 12 * i, 126));
  colour = mix(colour, [186, 56, 44], box(x, y, 126, 54, 148, 87));
  colour = mix(colour, [40, 42, 48], box(x, y, 126, 54, 148, 63));
  colour = mix(colour, [70, 72, 78], box(x, y, 205, 84, 208, 139));
  colour = mix(colour, y > 166 ? [134, 44, 38] : [34, 42, 58], cover(hull));
  const foam = Math.min(y - 174, 184 - y, x - 40, 232 - x) - 3 * Math.abs(triangle(x / 9));
  return mix(colour, [226, 234, 238], 0.8 * cover(foam));
}

/** A wave of straight lines, −1 to 1, period 4: sines are the engine's choice. */
function triangle(t: number): number {
  const phase = t - 4 * Math.floor(t / 4);
  return phase < 2 ? phase - 1 : 3 - phase;
}

/** 256×256; the same on every machine. */
export function madePhoto(): Image {
  const data = new Uint8Array(3 * SIDE * SIDE);
  const grain = words(0, 0, SIDE * SIDE);
  for (let i = 0; i < SIDE * SIDE; i++) {
    const colour = scene((i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5);
    const noise = 8 * (uniform(grain[i]) - 0.5);
    for (let c = 0; c < 3; c++)
      data[3 * i + c] = Math.min(255, Math.max(0, Math.floor(colour[c] + noise + 0.5)));
  }
  return { width: SIDE, height: SIDE, data };
}
