/** The picture, and what of it the value that is looked at can see. */
import { useMemo } from 'preact/hooks';
import { fieldOf } from '../engine/field.ts';
import { opaque, Raster } from './raster.tsx';
import type { Scene } from './scene.ts';
import type { View } from './view.ts';

export function Sight({ scene, view }: { readonly scene: Scene; readonly view: View }) {
  const { crop, network, shapes } = scene;
  const pixels = useMemo(() => opaque(crop.data), [crop]);
  const { rows, columns } = fieldOf(network, shapes, view.layer, view.row, view.column);
  const high = rows[1] - rows[0] + 1;
  const wide = columns[1] - columns[0] + 1;
  const percent = (part: number, whole: number): string => `${(100 * part) / whole}%`;
  return (
    <section class="panel" aria-label="The picture">
      <h3>What it sees of the picture</h3>
      <div class="map still" style={{ aspectRatio: `${crop.width} / ${crop.height}` }}>
        <Raster
          width={crop.width}
          height={crop.height}
          pixels={pixels}
          label="The picture as the network gets it"
        />
        <i
          class="field"
          style={{
            left: percent(columns[0], crop.width),
            top: percent(rows[0], crop.height),
            width: percent(wide, crop.width),
            height: percent(high, crop.height),
          }}
        />
      </div>
      <p class="hint">
        {high} × {wide} of {crop.height} × {crop.width} pixels
      </p>
    </section>
  );
}
