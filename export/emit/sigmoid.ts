/**
 * Sigmoid.
 *
 * ONNX         Sigmoid, versions 1, 6, 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = '';

export const emit: Emit<'sigmoid'> = (g, layer, [x]) => g.node('Sigmoid', [x], layer.name, {}, paper);

/** dx = dy·y·(1 − y). */
export const backward: EmitBackward<'sigmoid'> = (g, _, { y, dy, dx: [dx] }) => {
  const rest = g.node('Sub', [g.scalar(`${dx}/one`, 1), y], `${dx}/rest`);
  g.node('Mul', [dy, g.node('Mul', [y, rest], `${dx}/slope`)], dx);
};
