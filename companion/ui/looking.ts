/** What a part of the page is given, and the view held to what is there. */
import { bestOf, layoutOf, type Scene } from './scene.ts';
import type { Change, View } from './view.ts';
import type { Ask } from './worker.ts';

export interface Looking {
  readonly scene: Scene;
  readonly view: View;
  readonly change: Change;
  readonly ask: Ask;
}

/** The view with a layer, a place and a class that there are. */
export function held(view: View, scene: Scene): View {
  const layer = scene.shapes.has(view.layer) ? view.layer : scene.network.layers[0].name;
  const { maps, rows, columns } = layoutOf(scene.shapes.get(layer)!);
  return {
    ...view,
    layer,
    map: Math.min(view.map, maps - 1),
    row: Math.min(view.row, rows - 1),
    column: Math.min(view.column, columns - 1),
    k: view.k < 0 || view.k >= scene.probabilities.length ? bestOf(scene) : view.k,
  };
}
