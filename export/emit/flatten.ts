/**
 * Flattens all but the batch axis.
 *
 * ONNX         Flatten, versions 1, 9, 11, 13; axis 1. H,W,C order: Transpose in front.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Reshape, which would have to name the batch.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = '';

export function emit(g: GraphBuilder, layer: Layer & { kind: 'flatten' }, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  const moved = attributes.order === 'HWC' && g.dims(x).length === 4;
  const maps = moved ? g.node('Transpose', [x], `${name}/hwc`, { perm: [0, 2, 3, 1] }) : x;
  return g.node('Flatten', [maps], name, { axis: 1 }, paper);
}
