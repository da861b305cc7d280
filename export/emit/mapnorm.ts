/**
 * Response normalisation within a map.
 *
 * ONNX         no operator: Mul, AveragePool (size × size, zeros counted), then s = k + α′·size²·mean and x / s^β.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  float16: it is computed in float32 between two Casts.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import { affine, divideByPower, inFloat32 } from './normalise.ts';

export const paper = '';

export function emit(g: GraphBuilder, layer: Layer & { kind: 'mapnorm' }, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  const { size, alpha, beta, k, divide } = attributes;
  const before = Math.floor(size / 2);
  const after = size - 1 - before;
  return inFloat32(g, x, name, (wide, output) => {
    const square = g.node('Mul', [wide, wide], `${name}/square`);
    const window = { kernel_shape: [size, size], strides: [1, 1], pads: [before, before, after, after] };
    const mean = g.node('AveragePool', [square], `${name}/mean`, { ...window, count_include_pad: 1 });
    const s = affine(g, name, mean, divide ? alpha : alpha * size * size, k);
    return divideByPower(g, [wide, s], beta, [name, output], paper);
  });
}
