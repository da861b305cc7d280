/**
 * Values as colours: 0 is the ground, what is above grows orange, what is below blue, the more the further away.
 */
export type Colour = readonly [number, number, number];

export interface Palette {
  readonly zero: Colour;
  readonly above: readonly Colour[];
  readonly below: readonly Colour[];
}

export const light: Palette = {
  zero: [246, 244, 239],
  above: [
    [247, 196, 132],
    [217, 111, 42],
    [122, 42, 12],
  ],
  below: [
    [158, 197, 232],
    [52, 122, 190],
    [16, 48, 104],
  ],
};
export const dark: Palette = {
  zero: [30, 33, 39],
  above: [
    [126, 66, 26],
    [232, 138, 60],
    [255, 228, 184],
  ],
  below: [
    [28, 66, 112],
    [78, 148, 218],
    [208, 232, 255],
  ],
};

/** `count` values from `from` on as RGBA; `scale` is what is drawn in the strongest colour. */
export function paint(
  values: ArrayLike<number>,
  from: number,
  count: number,
  scale: number,
  palette: Palette,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * count);
  for (let i = 0; i < count; i++) {
    const v = from + i < values.length ? values[from + i] : 0;
    const colour = colourOf(scale > 0 ? v / scale : 0, palette);
    pixels.set(colour, 4 * i);
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

/** Of a value from −1 to 1; the root brings out what is small. */
function colourOf(v: number, { zero, above, below }: Palette): Colour {
  const stops = [zero, ...(v < 0 ? below : above)];
  const place = Math.min(1, Math.sqrt(Math.abs(v))) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(place));
  const share = place - low;
  const mixed = (c: 0 | 1 | 2): number => stops[low][c] + (stops[low + 1][c] - stops[low][c]) * share;
  return [mixed(0), mixed(1), mixed(2)];
}

/**
 * Red, green and blue weights as the colours of pixels: three planes of `area` values from `from` on, as 8-bit RGB.
 * Mid-grey is 0, and the largest of them reaches the end of the scale.
 */
export function colours(
  values: ArrayLike<number>,
  from: number,
  area: number,
  channels: 'RGB' | 'BGR',
): Uint8Array {
  const most = reach(values, from, 3 * area) || 1;
  return new Uint8Array(3 * area).map((_, i) => {
    const c = channels === 'RGB' ? i % 3 : 2 - (i % 3);
    return Math.round(127.5 + (127.5 * values[from + c * area + Math.floor(i / 3)]) / most);
  });
}

/** The largest magnitude of `count` values from `from` on. */
export function reach(values: ArrayLike<number>, from = 0, count = values.length): number {
  let most = 0;
  for (let i = from; i < Math.min(from + count, values.length); i++)
    most = Math.max(most, Math.abs(values[i]));
  return most;
}
