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
import { affine, backwardOf, divideByPower, inFloat32, powerName } from './normalise.ts';

export const paper = '';

type Mapnorm = LayerOf<'mapnorm'>;

/** α of the mean. */
const alphaOf = ({ alpha, divide, size }: Mapnorm['attributes']): number =>
  divide ? alpha : alpha * size * size;

export const emit: Emit<'mapnorm'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const { beta, k } = attributes;
  return inFloat32(g, x, name, (wide, output) => {
    const square = g.node('Mul', [wide, wide], `${name}/square`);
    const mean = averaged(g, square, `${name}/mean`, attributes, false);
    const s = affine(g, name, mean, alphaOf(attributes), k);
    return divideByPower(g, [wide, s], beta, [name, output], paper);
  });
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
  const [before, after] = mirrored ? [size - 1 - half, half] : [half, size - 1 - half];
  const window = { kernel_shape: [size, size], strides: [1, 1], pads: [before, before, after, after] };
  return g.node('AveragePool', [x], output, { ...window, count_include_pad: 1 });
}

export const backward: EmitBackward<'mapnorm'> = (g, layer, { inputs: [x], dy, dx: [dx] }) => {
  if (dx === null) return;
  const { name, attributes } = layer;
  const factor = 2 * alphaOf(attributes) * attributes.beta;
  const values = [`${name}/s`, powerName(name, `${name}/s`, attributes.beta)] as const;
  backwardOf(g, [x, dy, dx], values, factor, (v) => averaged(g, v, `${dx}/mean`, attributes, true));
};
