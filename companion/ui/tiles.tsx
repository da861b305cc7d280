/** All maps of a layer, small, in one scale: a group of which one is chosen. */
import { useMemo } from 'preact/hooks';
import { type Palette, paint, reach } from '../../lib/picture/colour.ts';
import { Raster } from './raster.tsx';
import type { Layout } from './scene.ts';
import type { Change, View } from './view.ts';

export interface Shown {
  readonly data: Float32Array | undefined;
  readonly layout: Layout;
  readonly view: View;
  readonly change: Change;
  readonly palette: Palette;
}

/** Where an arrow key leads from map `at` of `count`. */
const moves: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export function Tiles({ data, layout, view, change, palette }: Shown) {
  const { maps, rows, columns } = layout;
  const area = rows * columns;
  const painted = useMemo(() => {
    const scale = data ? reach(data) : 1;
    return Array.from({ length: maps }, (_, map) => paint(data ?? [], map * area, area, scale, palette));
  }, [data, maps, area, palette]);
  if (maps === 1) return <div class="tiles one" />;
  return (
    <section class="panel tiles-panel" aria-label="Maps">
      <h3>{maps} maps</h3>
      <Tiled
        label={`Maps of ${view.layer}`}
        each="map"
        {...{ pictures: painted, width: columns, height: rows, view, change }}
      />
    </section>
  );
}

interface Pictures {
  /** RGBA, one for each map of the layer. */
  readonly pictures: readonly Uint8ClampedArray<ArrayBuffer>[];
  readonly width: number;
  readonly height: number;
  readonly label: string;
  readonly each: string;
  readonly view: View;
  readonly change: Change;
}

/** A group of small pictures: the one that is chosen is the map that is looked at. */
export function Tiled({ pictures, width, height, label, each, view, change }: Pictures) {
  const move = (event: KeyboardEvent): void => {
    const by = moves[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const map = (view.map + by + pictures.length) % pictures.length;
    change({ map });
    const group = (event.currentTarget as HTMLElement).children;
    (group[map] as HTMLElement).focus();
  };
  return (
    <div class="tiles" role="radiogroup" aria-label={label} onKeyDown={move}>
      {pictures.map((pixels, map) => (
        // biome-ignore lint/a11y/useSemanticElements: a picture that is chosen, as a radio button is
        <button
          key={map}
          type="button"
          role="radio"
          aria-checked={map === view.map}
          aria-label={`${each} ${map}`}
          tabIndex={map === view.map ? 0 : -1}
          onClick={() => change({ map })}
        >
          <Raster width={width} height={height} pixels={pixels} />
        </button>
      ))}
    </div>
  );
}
