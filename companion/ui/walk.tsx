/** The walk: the net, one layer of it, one map, one value. */

import { useAnswer } from './answer.ts';
import { Figure } from './figure.tsx';
import { KernelPanel } from './figure3.tsx';
import { LayerBar } from './layerbar.tsx';
import { held, type Looking } from './looking.ts';
import { MapView } from './mapview.tsx';
import { usePalette } from './palette.ts';
import { layoutOf } from './scene.ts';
import { Sight } from './sight.tsx';
import { StoryView } from './storyview.tsx';
import { Tiles } from './tiles.tsx';

export function Walk({ scene, view: asked, change, ask }: Looking) {
  const view = held(asked, scene);
  const palette = usePalette();
  const layer = scene.network.layers.find(({ name }) => name === view.layer);
  const { rows, columns, size } = layoutOf(scene.shapes.get(view.layer)!);
  const index = Math.min(size - 1, (view.map * rows + view.row) * columns + view.column);
  return (
    <>
      <Figure scene={scene} view={view} />
      <LayerBar scene={scene} view={view} change={change} />
      <Desk scene={scene} view={view} change={change} ask={ask} />
      {layer?.kind === 'conv2d' && <KernelPanel key={layer.name} {...{ layer, scene, view, change, ask }} />}
      <StoryView scene={scene} view={view} index={index} ask={ask} change={change} palette={palette} />
    </>
  );
}

/** The layer's maps, one of them, and what a value of it sees of the picture. */
export function Desk({ scene, view, change, ask }: Looking) {
  const palette = usePalette();
  const { layer, side, k } = view;
  const layout = layoutOf(scene.shapes.get(layer)!);
  const question = { layer, side, k };
  const maps = useAnswer(ask, 'maps', question, `${layer} ${side} ${side === 'gradient' ? k : ''}`);
  // while the next layer's values are on their way the last one's do not fit
  const data = maps?.data.length === layout.size ? maps.data : undefined;
  return (
    <div class="desk">
      <Tiles data={data} layout={layout} view={view} change={change} palette={palette} />
      <MapView data={data} layout={layout} view={view} change={change} palette={palette} />
      <Sight scene={scene} view={view} />
    </div>
  );
}
