/** A convolution's kernels: in the picture's colours, as figure 3 has them, where they see them; elsewhere slices. */
import { useMemo } from 'preact/hooks';
import { colours } from '../../lib/picture/colour.ts';
import type { LayerOf } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { useAnswer } from './answer.ts';
import type { Looking } from './looking.ts';
import { usePalette } from './palette.ts';
import { gridOf, Patches } from './patchwork.tsx';
import { opaque } from './raster.tsx';
import { Tiled } from './tiles.tsx';

type Kernels = Looking & { readonly layer: LayerOf<'conv2d'> };

export function KernelPanel(looking: Kernels) {
  const { network } = looking.scene;
  const [read] = inputsOf(network, network.layers.indexOf(looking.layer));
  return read === 'input' && network.input[0] === 3 ? <Figure3 {...looking} /> : <Slices {...looking} />;
}

function Figure3({ layer, scene, view, change, ask }: Kernels) {
  const { channels } = scene.network.preprocess;
  const [height, width] = layer.kernel;
  const K = layer.channels;
  const area = height * width;
  const data = useAnswer(ask, 'kernels', { layer: layer.name }, layer.name)?.data;
  const pictures = useMemo(
    () =>
      Array.from({ length: data ? K : 0 }, (_, k) => opaque(colours(data!, 3 * k * area, area, channels))),
    [data, K, area, channels],
  );
  const towers = scene.network.layers.some((one) => one.kind === 'conv2d' && one.attributes.groups === 2);
  return (
    <section class="panel figure3" aria-label="Kernels">
      <h3>
        {K} kernels of 3 × {height} × {width}, as in figure 3
      </h3>
      <Tiled
        label={`Kernels of ${layer.name}`}
        each="kernel"
        {...{ pictures, width, height, view, change }}
      />
      <p class="hint">
        Mid-grey is 0; each kernel by its own largest weight.
        {towers &&
          ` Kernels 0 to ${K / 2 - 1} are the upper tower’s, ${K / 2} to ${K - 1} the lower’s: in the paper the one card learnt to see edges, the other colours.`}
      </p>
    </section>
  );
}

/** The kernel that makes the map that is looked at: a slice for each map it reads. */
function Slices({ layer, view, ask }: Kernels) {
  const palette = usePalette();
  const found = useAnswer(ask, 'kernels', { layer: layer.name }, layer.name);
  const slices = useMemo(() => {
    if (!found) return undefined;
    const [, ...window] = found.shape;
    const size = window.reduce((product, extent) => product * extent, 1);
    return { values: found.data.subarray(view.map * size, (view.map + 1) * size), grid: gridOf(window) };
  }, [found, view.map]);
  return (
    <section class="panel slices" aria-label="Kernel">
      <h3>Kernel {view.map}</h3>
      {slices && (
        <Patches
          title={`${slices.grid.patches} slices of ${slices.grid.R} × ${slices.grid.S}, one for each map that it reads`}
          {...slices}
          palette={palette}
        />
      )}
    </section>
  );
}
