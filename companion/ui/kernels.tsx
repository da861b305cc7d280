/** What the loss of the class would be without each of a layer's kernels. */
import { useMemo, useState } from 'preact/hooks';
import { paint, reach } from '../../lib/picture/colour.ts';
import type { Looking } from './looking.ts';
import { usePalette } from './palette.ts';
import { largest, lossOf, short } from './rank.ts';
import { Raster } from './raster.tsx';
import { useSeries } from './series.ts';
import { Started } from './started.tsx';
import { formatView } from './view.ts';

/** Kernels a question. */
const SOME = 8;

export function Kernels({ scene, view, ask }: Omit<Looking, 'change'>) {
  const layers = scene.network.layers.filter(({ kind }) => kind === 'conv2d');
  const [name, setName] = useState(layers[0].name);
  return (
    <section class="part" aria-label="Without a kernel">
      <h2>Without one kernel</h2>
      <p>
        Each kernel of{' '}
        <select aria-label="layer" value={name} onChange={(event) => setName(event.currentTarget.value)}>
          {layers.map((layer) => (
            <option key={layer.name}>{layer.name}</option>
          ))}
        </select>{' '}
        is set to 0, one at a time, and the net runs again. Orange: the loss rises without it; blue: it falls.
      </p>
      <Silenced key={name} scene={scene} view={view} ask={ask} layer={name} />
    </section>
  );
}

function Silenced({ scene, view, ask, layer }: Omit<Looking, 'change'> & { readonly layer: string }) {
  const palette = usePalette();
  const [, K] = scene.shapes.get(layer)!;
  const { k } = view;
  const count = Math.ceil(K / SOME);
  const series = useSeries(scene, K, count, (at) =>
    ask('without', { k, layer, range: [SOME * at, Math.min(K, SOME * (at + 1))] }),
  );
  const before = lossOf(scene, k);
  const { parts } = series;
  const rise = useMemo(() => {
    const all = new Float64Array(K);
    for (const [at, losses] of parts.entries())
      all.set(
        losses.map((after) => after - before),
        SOME * at,
      );
    return all;
  }, [parts, before, K]);
  const columns = Math.min(K, 48);
  const rows = Math.ceil(K / columns);
  const pixels = useMemo(
    () => paint(rise, 0, rows * columns, reach(rise), palette),
    [rise, rows, columns, palette],
  );
  return (
    <>
      <div class="map still strip" style={{ aspectRatio: `${columns} / ${rows}` }}>
        <Raster
          width={columns}
          height={rows}
          pixels={pixels}
          label={`${K} kernels of ${layer}, row by row`}
        />
      </div>
      <p class="hint">
        {K} kernels, row by row. With all of them the loss is {short(before)}.{' '}
        <Started series={series} of={count} />
      </p>
      <ul class="most">
        {largest(
          rise.map((v) => Math.abs(v)),
          5,
        ).map((map) => (
          <li key={map}>
            <a href={formatView({ ...view, page: 'walk', layer, map, row: 0, column: 0 })}>kernel {map}</a>:
            without it the loss is{' '}
            <data class="number" value={before + rise[map]}>
              {short(before + rise[map])}
            </data>
          </li>
        ))}
      </ul>
    </>
  );
}
