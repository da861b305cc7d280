/**
 * One of several equal parts of the channels.
 *
 * ONNX         Slice, versions 1, 10, 11, 13; starts, ends and axes are inputs since 10.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Split: the outputs that no layer reads would hang loose, and its form changed in 13 and 18.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = 'section 3.5, figure 2';

export const emit: Emit<'split'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const channels = (g.dims(x)[1] as number) / attributes.parts;
  const start = attributes.part * channels;
  return g.slice(x, { starts: [start], ends: [start + channels], axes: [1] }, name, name, paper);
};

/** dy in its channels, zeros in the others. */
export const backward: EmitBackward<'split'> = (g, layer, { inputs, dy, dx: [dx] }) => {
  const { parts, part } = layer.attributes;
  const x = g.dims(inputs[0]);
  const channels = (x[1] as number) / parts;
  const side = (count: number) => x.map((_, axis) => (axis === 1 ? count * channels : 0));
  g.pad(dy, [...side(part), ...side(parts - 1 - part)], dx, dx);
};
