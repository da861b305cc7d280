/**
 * A picture as it is composed, before it becomes SVG text or PNG pixels: parts put beside and above each other, in
 * units of which a PNG has two pixels each.
 */
import type { Image } from '../../reference/input/preprocess.ts';
import type { Colour } from './colour.ts';
import { type Face, faces, LETTERS } from './font.ts';

export type Point = readonly [x: number, y: number];

export type Item =
  /** Every pixel a square: nothing is smoothed. */
  | {
      readonly kind: 'raster';
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
      readonly image: Image;
    }
  /** `x`, `y`: the left end of the baseline. */
  | {
      readonly kind: 'text';
      readonly x: number;
      readonly y: number;
      readonly text: string;
      readonly face: keyof typeof faces;
      readonly colour: Colour;
    }
  /** A polygon that is filled, or a line through the points. */
  | {
      readonly kind: 'shape';
      readonly points: readonly Point[];
      readonly fill?: Colour;
      readonly stroke?: Colour;
    };

export interface Part {
  readonly width: number;
  readonly height: number;
  readonly items: readonly Item[];
}

/** A whole picture. */
export interface Sheet extends Part {
  readonly title: string;
}

export const INK: Colour = [33, 37, 43];
export const MUTED: Colour = [98, 105, 114];
const MARGIN = 20;

/** Pixels of a PNG a unit. */
export const DENSITY = 2;

/** Each letter's place in a face; what it lacks is a question mark. */
export const letterOf = (letter: string): number => {
  const at = LETTERS.indexOf(letter);
  return at < 0 ? LETTERS.indexOf('?') : at;
};

const widthOf = (text: string, { advances }: Face): number =>
  [...text].reduce((sum, letter) => sum + advances[letterOf(letter)], 0) / DENSITY;

/** One line of text, cut where it is wider than `most`. */
export function line(text: string, options: LineOptions = {}): Part {
  const { face = 'small', colour = INK, most = Number.POSITIVE_INFINITY, centred } = options;
  const { height, ascent } = faces[face];
  let shown = text;
  while (widthOf(shown, faces[face]) > most)
    shown = `${[...shown].slice(0, shown.endsWith('…') ? -2 : -1).join('')}…`;
  const width = widthOf(shown, faces[face]);
  const x = centred ? (most - width) / 2 : 0;
  return {
    width: centred ? most : width,
    height: height / DENSITY,
    items: [{ kind: 'text', x, y: ascent / DENSITY, text: shown, face, colour }],
  };
}

export interface LineOptions {
  readonly face?: keyof typeof faces;
  readonly colour?: Colour;
  /** Units. */
  readonly most?: number;
  /** In the middle of `most`. */
  readonly centred?: boolean;
}

/** An image whose pixels are squares of `zoom` pixels of a PNG. */
export function raster(image: Image, zoom: number): Part {
  const width = (image.width * zoom) / DENSITY;
  const height = (image.height * zoom) / DENSITY;
  return { width, height, items: [{ kind: 'raster', x: 0, y: 0, width, height, image }] };
}

/** The zoom that brings `extent` pixels nearest to so many units. */
export const zoomTo = (units: number, extent: number): number =>
  Math.max(1, Math.round((units * DENSITY) / extent));

export const moved = ({ width, height, items }: Part, dx: number, dy: number): Part => ({
  width,
  height,
  items: items.map((item) =>
    item.kind === 'shape'
      ? { ...item, points: item.points.map(([x, y]): Point => [x + dx, y + dy]) }
      : { ...item, x: item.x + dx, y: item.y + dy },
  ),
});

/** Parts from left to right, their tops in one line. */
export function beside(parts: readonly Part[], gap: number): Part {
  let x = -gap;
  const items = parts.flatMap((part) => {
    const placed = moved(part, x + gap, 0);
    x += gap + part.width;
    return placed.items;
  });
  return { width: x, height: Math.max(...parts.map(({ height }) => height)), items };
}

/** Parts from top to bottom, their left edges in one line. */
export function above(parts: readonly Part[], gap: number): Part {
  let y = -gap;
  const items = parts.flatMap((part) => {
    const placed = moved(part, 0, y + gap);
    y += gap + part.height;
    return placed.items;
  });
  return { width: Math.max(...parts.map(({ width }) => width)), height: y, items };
}

/** Parts one over the other. */
export const over = (parts: readonly Part[]): Part => ({
  width: Math.max(...parts.map(({ width }) => width)),
  height: Math.max(...parts.map(({ height }) => height)),
  items: parts.flatMap(({ items }) => items),
});

/** The whole: its title, lines about it, the picture, and a note below. */
export function sheetOf(title: string, about: readonly string[], picture: Part, note?: Part): Sheet {
  const head = above(
    [line(title, { face: 'title' }), ...about.map((text) => line(text, { colour: MUTED }))],
    3,
  );
  const all = above([head, picture, ...(note ? [note] : [])], 14);
  const whole = (units: number): number => Math.ceil(units) + 2 * MARGIN;
  return {
    title,
    width: whole(all.width),
    height: whole(all.height),
    items: moved(all, MARGIN, MARGIN).items,
  };
}
