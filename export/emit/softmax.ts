/**
 * Softmax over classes.
 *
 * ONNX         Softmax, versions 1, 11, 13; the axis is written out, as its default changed from 1 to −1 in 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  LogSoftmax.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = 'section 3.5';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'softmax' }, [x]: readonly string[]): string =>
  g.node('Softmax', [x], layer.name, { axis: 1 }, paper);
