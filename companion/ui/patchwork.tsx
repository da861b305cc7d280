/** A window, its kernel and their products as pictures: a patch for each map that is read. */
import { useMemo } from 'preact/hooks';
import { type Palette, paint, reach } from '../../lib/picture/colour.ts';
import type { Story } from '../engine/story.ts';
import { Raster } from './raster.tsx';

/** How patches of R×S are laid out: as many side by side as make the whole about as wide as high. */
interface Grid {
  readonly patches: number;
  readonly R: number;
  readonly S: number;
  readonly across: number;
  readonly down: number;
}

export function gridOf(window: readonly number[]): Grid {
  const [patches, R, S] =
    window.length === 3 ? window : window.length === 2 ? [1, ...window] : [window[0], 1, 1];
  const across = Math.min(patches, Math.max(1, Math.ceil(Math.sqrt((patches * R) / S))));
  return { patches, R, S, across, down: Math.ceil(patches / across) };
}

/** Patches with a line of ground between them, so that they can be told apart; single values stand close. */
function picture(values: ArrayLike<number>, grid: Grid, palette: Palette) {
  const { patches, R, S, across, down } = grid;
  const gap = patches > 1 && R * S > 1 ? 1 : 0;
  const width = across * (S + gap) - gap;
  const height = down * (R + gap) - gap;
  const colours = paint(values, 0, values.length, reach(values), palette);
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < patches * R * S; i++) {
    const patch = Math.floor(i / (R * S));
    const row = Math.floor(patch / across) * (R + gap) + (Math.floor(i / S) % R);
    const column = (patch % across) * (S + gap) + (i % S);
    pixels.set(colours.subarray(4 * i, 4 * i + 4), 4 * (row * width + column));
  }
  return { width, height, pixels };
}

export function Patches({
  title,
  values,
  grid,
  palette,
}: {
  title: string;
  values: ArrayLike<number>;
  grid: Grid;
  palette: Palette;
}) {
  const { width, height, pixels } = useMemo(() => picture(values, grid, palette), [values, grid, palette]);
  return (
    <figure>
      <div class="patch" style={{ aspectRatio: `${width} / ${height}` }}>
        <Raster width={width} height={height} pixels={pixels} />
      </div>
      <figcaption>{title}</figcaption>
    </figure>
  );
}

export function Patchwork({ story, palette }: { readonly story: Story; readonly palette: Palette }) {
  const { x, window, sum } = story;
  const grid = useMemo(() => gridOf(window ?? [1]), [window]);
  const products = useMemo(() => sum && x?.map((v, i) => v * sum.w[i]), [sum, x]);
  if (!x || x.length < 2) return null;
  return (
    <div class="patchwork">
      <Patches
        title={`what it reads: ${x.length} values of ${story.from}`}
        values={x}
        grid={grid}
        palette={palette}
      />
      {sum && products && (
        <>
          <span aria-hidden="true">×</span>
          <Patches title="its kernel" values={sum.w} grid={grid} palette={palette} />
          <span aria-hidden="true">=</span>
          <Patches title="their products, which are added" values={products} grid={grid} palette={palette} />
        </>
      )}
    </div>
  );
}
