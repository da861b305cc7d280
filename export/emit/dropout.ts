/**
 * Dropout at test time.
 *
 * ONNX         'paper': Mul by 1 − ratio; 'inverted': Identity.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Dropout: it does nothing in an inference graph, its form changed in 7, 10 and 12, and not every device has it.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = 'section 4.2';

export function emit(g: GraphBuilder, layer: Layer & { kind: 'dropout' }, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  if (attributes.convention === 'inverted') return g.node('Identity', [x], name, {}, paper);
  return g.node('Mul', [x, g.scalar(`${name}/keep`, 1 - attributes.ratio)], name, {}, paper);
}
