/** Figure 3 of the paper: the kernels that see the picture, in its colours; each is the way to its map. */
import { useMemo } from 'preact/hooks';
import { colours } from '../../lib/picture/colour.ts';
import type { LayerOf, Network } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { useAnswer } from './answer.ts';
import type { Looking } from './looking.ts';
import { opaque } from './raster.tsx';
import { Tiled } from './tiles.tsx';

type Convolution = LayerOf<'conv2d'>;

/** The layer of that name, where it is a convolution that reads the picture. */
export function seesColours(network: Network, name: string): Convolution | undefined {
  const at = network.layers.findIndex((layer) => layer.name === name);
  const layer = network.layers[at];
  const sees = layer?.kind === 'conv2d' && network.input[0] === 3 && inputsOf(network, at)[0] === 'input';
  return sees ? layer : undefined;
}

export function Figure3({ layer, scene, view, change, ask }: Looking & { readonly layer: Convolution }) {
  const { channels } = scene.network.preprocess;
  const [height, width] = layer.kernel;
  const area = height * width;
  const data = useAnswer(ask, 'kernels', { layer: layer.name }, layer.name)?.data;
  const pictures = useMemo(
    () =>
      Array.from({ length: data ? layer.channels : 0 }, (_, k) =>
        opaque(colours(data!, 3 * k * area, area, channels)),
      ),
    [data, layer, area, channels],
  );
  return (
    <section class="panel figure3" aria-label="Kernels">
      <h3>
        {layer.channels} kernels of 3 × {height} × {width}, as in figure 3
      </h3>
      <Tiled
        label={`Kernels of ${layer.name}`}
        each="kernel"
        {...{ pictures, width, height, view, change }}
      />
      <p class="hint">Mid-grey is 0; each kernel by its own largest weight.</p>
    </section>
  );
}
