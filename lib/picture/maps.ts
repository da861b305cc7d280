/** Images made of values: coloured, and many of them side by side. */
import type { Image } from '../../reference/input/preprocess.ts';
import { type Colour, light, paint } from './colour.ts';
import { above, beside, DENSITY, line, MUTED, moved, type Part, raster, zoomTo } from './sheet.ts';

/** `width` × `height` values from `from` on; ±`scale` are the strongest colours. */
export function mapOf(
  values: ArrayLike<number>,
  [width, height]: readonly [width: number, height: number],
  scale: number,
  from = 0,
): Image {
  const rgba = paint(values, from, width * height, scale, light);
  return {
    width,
    height,
    data: new Uint8Array(3 * width * height).map((_, i) => rgba[i + Math.floor(i / 3)]),
  };
}

/** Images of one size in rows of `columns`, a pixel between them. */
export function mosaic(tiles: readonly Image[], columns: number, ground: Colour = [255, 255, 255]): Image {
  const [{ width, height }] = tiles;
  const across = Math.min(columns, tiles.length);
  const size = {
    width: across * (width + 1) - 1,
    height: Math.ceil(tiles.length / across) * (height + 1) - 1,
  };
  const data = new Uint8Array(3 * size.width * size.height);
  for (let i = 0; i < data.length; i++) data[i] = ground[i % 3];
  for (const [t, tile] of tiles.entries()) {
    const left = (t % across) * (width + 1);
    const top = Math.floor(t / across) * (height + 1);
    for (let row = 0; row < height; row++) {
      const pixels = tile.data.subarray(3 * row * width, 3 * (row + 1) * width);
      data.set(pixels, 3 * ((top + row) * size.width + left));
    }
  }
  return { ...size, data };
}

/** Columns that give tiles of this size about the wanted aspect; of these such as leave no gap at the end. */
export function columnsFor(
  count: number,
  [width, height]: readonly [width: number, height: number],
  aspect: number,
): number {
  const best = Math.max(
    1,
    Math.min(count, Math.round(Math.sqrt((count * aspect * (height + 1)) / (width + 1)))),
  );
  const near = Array.from({ length: best }, (_, i) => best + (i % 2 === 0 ? i / 2 : -(i + 1) / 2));
  return near.find((columns) => count % columns === 0 && columns > 0.7 * best) ?? best;
}

/** What the colours mean, from `least` to `most`, and of what. */
export function legend(most: number, of = '', least = -most): Part {
  const steps = 81;
  const values = new Float64Array(steps).map((_, i) => least + ((most - least) * i) / (steps - 1));
  const bar = raster(mapOf(values, [steps, 1], most), DENSITY);
  const thick: Part = { ...bar, height: 9, items: bar.items.map((item) => ({ ...item, height: 9 })) };
  const text = (words: string): Part => line(words, { colour: MUTED });
  const meaning = of === '' ? [] : [text(`${of}; its root is what the colours show`)];
  const from = least === 0 ? '0' : `−${figure(-least)}`;
  return beside([text(from), moved(thick, 0, 2.5), text(figure(most)), ...meaning], 6);
}

/** Units of the side of a picture beside others. */
const SIDE = 180;

/** An image with its name below, and what explains it. */
export function panel(image: Image, caption: string, ...more: readonly Part[]): Part {
  const picture = raster(image, zoomTo(SIDE, image.width));
  return above([picture, above([line(caption, { most: picture.width }), ...more], 3)], 6);
}

/** Three digits. */
export const figure = (value: number): string => {
  const short = value.toPrecision(3);
  return short.includes('e') ? short : String(Number(short));
};
