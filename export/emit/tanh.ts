/**
 * Tanh.
 *
 * ONNX         Tanh, versions 1, 6, 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = 'section 3.1';

export const emit: Emit<'tanh'> = (g, layer, [x]) => g.node('Tanh', [x], layer.name, {}, paper);

/** dx = dy·(1 − y²). */
export const backward: EmitBackward<'tanh'> = (g, _, { y, dy, dx: [dx] }) => {
  const square = g.node('Mul', [y, y], `${dx}/square`);
  g.node('Mul', [dy, g.node('Sub', [g.scalar(`${dx}/one`, 1), square], `${dx}/slope`)], dx);
};
