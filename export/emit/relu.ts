/**
 * Relu.
 *
 * ONNX         Relu, versions 1, 6, 13, 14 (only the types differ).
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = 'section 3.1';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'relu' }, [x]: readonly string[]): string =>
  g.node('Relu', [x], layer.name, {}, paper);
