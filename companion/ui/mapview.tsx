/** One map, large: a value is pointed at with the mouse or with the arrow keys. */
import { useMemo } from 'preact/hooks';
import { paint, reach } from '../../lib/picture/colour.ts';
import { Raster } from './raster.tsx';
import type { Shown } from './tiles.tsx';

const arrows: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

const clamp = (v: number, extent: number): number => Math.min(extent - 1, Math.max(0, v));

export function MapView({ data, layout, view, change, palette }: Shown) {
  const { rows, columns, vector } = layout;
  const area = rows * columns;
  const pixels = useMemo(() => {
    const from = view.map * area;
    return paint(data ?? [], from, area, data ? reach(data, from, area) : 1, palette);
  }, [data, view.map, area, palette]);
  const go = (row: number, column: number): void =>
    change({ row: clamp(row, rows), column: clamp(column, columns) });
  const point = (event: MouseEvent): void => {
    const { left, top, width, height } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    go(
      Math.floor(((event.clientY - top) / height) * rows),
      Math.floor(((event.clientX - left) / width) * columns),
    );
  };
  const press = (event: KeyboardEvent): void => {
    const by = arrows[event.key];
    if (!by) return;
    event.preventDefault();
    go(view.row + by[0], view.column + by[1]);
  };
  const place = vector
    ? `value ${view.row * columns + view.column}`
    : `map ${view.map}, row ${view.row}, column ${view.column}`;
  const percent = (part: number, whole: number): string => `${(100 * part) / whole}%`;
  return (
    <section class="panel" aria-label="One map">
      <h3>{vector ? `${layout.size} values, row by row` : `Map ${view.map}`}</h3>
      <div
        class="map"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a grid of values, walked by the arrow keys
        tabIndex={0}
        aria-label={`${view.layer}, ${place}; the arrow keys move`}
        style={{ aspectRatio: `${columns} / ${rows}` }}
        onClick={point}
        onKeyDown={press}
      >
        <Raster width={columns} height={rows} pixels={pixels} />
        <i
          class="cursor"
          style={{
            left: percent(view.column, columns),
            top: percent(view.row, rows),
            width: percent(1, columns),
            height: percent(1, rows),
          }}
        />
      </div>
      <p class="hint">{place}</p>
    </section>
  );
}
