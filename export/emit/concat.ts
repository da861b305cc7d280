/**
 * Concatenation along channels.
 *
 * ONNX         Concat, versions 1, 4, 11, 13; axis 1.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  other axes.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = 'figure 2';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'concat' }, inputs: readonly string[]): string =>
  g.node('Concat', inputs, layer.name, { axis: 1 }, paper);
