/**
 * Concatenation along channels.
 *
 * ONNX         Concat, versions 1, 4, 11, 13; axis 1.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  other axes.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = 'section 3.5, figure 2';

export const emit: Emit<'concat'> = (g, layer, inputs) =>
  g.node('Concat', inputs, layer.name, { axis: 1 }, paper);

/** Each input gets its channels of dy. */
export const backward: EmitBackward<'concat'> = (g, _, { inputs, dy, dx }) => {
  let start = 0;
  for (const [index, input] of inputs.entries()) {
    const end = start + (g.dims(input)[1] as number);
    const name = dx[index];
    if (name !== null) g.slice(dy, { starts: [start], ends: [end], axes: [1] }, name);
    start = end;
  }
};
