/**
 * Response normalisation within a map.
 *
 * ONNX         no operator: Mul, AveragePool (size × size, zeros counted), then s = k + α′·size²·mean and x / s^β.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  float16: it is computed in float32 between two Casts.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Emit, EmitBackward } from './emitter.ts';
import { inFloat32, normalise, normaliseBackward } from './normalise.ts';

export const paper = '';

type Mapnorm = LayerOf<'mapnorm'>;

/** α of the mean. */
const alphaOf = ({ alpha, divide, size }: Mapnorm['attributes']): number =>
  divide ? alpha : alpha * size * size;

export const emit: Emit<'mapnorm'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const mean = (squares: string, output: string) =>
    g.scaled(
      averaged(g, squares, `${name}/mean`, attributes, false),
      alphaOf(attributes),
      `${name}/alpha`,
      output,
    );
  return inFloat32(g, x, name, (wide, output) => normalise(g, layer, [wide, output, paper], mean));
};

/** The mean over size × size values, zeros outside the map counted; `mirrored`: the windows that contain a value. */
function averaged(
  g: GraphBuilder,
  x: string,
  output: string,
  { size }: Mapnorm['attributes'],
  mirrored: boolean,
): string {
  const half = Math.floor(size / 2);
  const before = mirrored ? size - 1 - half : half;
  const after = size - 1 - before;
  const window = { kernel_shape: [size, size], strides: [1, 1], pads: [before, before, after, after] };
  return g.node('AveragePool', [x], output, { ...window, count_include_pad: 1 });
}

export const backward: EmitBackward<'mapnorm'> = (g, layer, reverse) => {
  const { attributes } = layer;
  const [dx] = reverse.dx;
  const factor = 2 * alphaOf(attributes) * attributes.beta;
  normaliseBackward(g, layer, reverse, (v, output) =>
    g.scaled(averaged(g, v, `${dx}/mean`, attributes, true), factor, `${dx}/factor`, output),
  );
};
