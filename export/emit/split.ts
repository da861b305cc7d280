/**
 * One of several equal parts of the channels.
 *
 * ONNX         Slice, versions 1, 10, 11, 13; starts, ends and axes are inputs since 10.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Split: the outputs that no layer reads would hang loose, and its form changed in 13 and 18.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

export const paper = 'section 3.5, figure 2';

export function emit(g: GraphBuilder, layer: Layer & { kind: 'split' }, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  const channels = (g.dims(x)[1] as number) / attributes.parts;
  const starts = g.integers(`${name}/starts`, [attributes.part * channels]);
  const ends = g.integers(`${name}/ends`, [(attributes.part + 1) * channels]);
  const axes = g.integers(`${name}/axes`, [1]);
  return g.node('Slice', [x, starts, ends, axes], name, {}, paper);
}
