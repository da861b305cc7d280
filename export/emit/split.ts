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
  const starts = g.integers(`${name}/starts`, [attributes.part * channels]);
  const ends = g.integers(`${name}/ends`, [(attributes.part + 1) * channels]);
  const axes = g.integers(`${name}/axes`, [1]);
  return g.node('Slice', [x, starts, ends, axes], name, {}, paper);
};

/** dy in its channels, zeros in the others. */
export const backward: EmitBackward<'split'> = (g, layer, { inputs, dy, dx: [dx] }) => {
  if (dx === null) return;
  const { parts, part } = layer.attributes;
  const x = g.dims(inputs[0]);
  const channels = (x[1] as number) / parts;
  const side = (count: number) => x.map((_, axis) => (axis === 1 ? count * channels : 0));
  const pads = g.integers(`${dx}/pads`, [...side(part), ...side(parts - 1 - part)]);
  g.node('Pad', [dy, pads, g.scalar(`${dx}/zero`, 0)], dx, { mode: 'constant' });
};
