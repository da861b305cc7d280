/** The occlusion map: how far the class falls when a square of the picture is covered. */
import { useMemo } from 'preact/hooks';
import { paint, reach } from '../../lib/picture/colour.ts';
import { coverOf } from '../../lib/picture/cover.ts';
import type { Looking } from './looking.ts';
import { usePalette } from './palette.ts';
import { lossOf, short } from './rank.ts';
import { opaque, Raster } from './raster.tsx';
import { useSeries } from './series.ts';
import { Started } from './started.tsx';

export function Occlusion({ scene, k, ask }: Pick<Looking, 'scene' | 'ask'> & { readonly k: number }) {
  const palette = usePalette();
  const { size, places } = coverOf(scene.network);
  const series = useSeries(scene, places * places, places, (row) => ask('occlusion', { k, row }));
  const { parts } = series;
  const before = lossOf(scene, k);
  const rise = useMemo(() => {
    const all = new Float64Array(places * places);
    for (const [row, losses] of parts.entries())
      all.set(
        losses.map((after) => after - before),
        row * places,
      );
    return all;
  }, [parts, before, places]);
  const pixels = useMemo(() => paint(rise, 0, rise.length, reach(rise), palette), [rise, palette]);
  const worst = rise.reduce((most, v) => Math.max(most, v), 0);
  const { crop } = scene;
  const photo = useMemo(() => opaque(crop.data), [crop]);
  return (
    <section class="part" aria-label="Occlusion">
      <h3>Occlusion: where the picture says it</h3>
      <div class="twin">
        <div class="map still" style={{ aspectRatio: `${crop.width} / ${crop.height}` }}>
          <Raster width={crop.width} height={crop.height} pixels={photo} label="The picture" />
        </div>
        <div class="map still" style={{ aspectRatio: '1' }}>
          <Raster
            width={places}
            height={places}
            pixels={pixels}
            label="The rise of the loss, place by place"
          />
        </div>
      </div>
      <p class="hint">
        A square of {size} × {size} pixels, as grey as the mean, covers one place after another. Orange: the
        loss rises there, from {short(before)} to at most {short(before + worst)}.{' '}
        <Started series={series} of={places} />
      </p>
    </section>
  );
}
