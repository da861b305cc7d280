/**
 * Sigmoid.
 *
 * ONNX         Sigmoid, versions 1, 6, 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = '';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'sigmoid' }, [x]: readonly string[]): string =>
  g.node('Sigmoid', [x], layer.name, {}, paper);
