/**
 * Relu.
 *
 * ONNX         Relu, versions 1, 6, 13, 14 (only the types differ).
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = 'section 3.1';

export const emit: Emit<'relu'> = (g, layer, [x]) => g.node('Relu', [x], layer.name, {}, paper);

/**
 * dx = dy where y > 0. Asks y and not x, so that an engine may fuse Conv and Relu. Cast and Mul instead of Where: they
 * take half as long on the CPU. Where dy is NaN or infinite, dx is NaN at closed gates.
 */
export const backward: EmitBackward<'relu'> = (g, _, { y, dy, dx: [dx] }) => {
  const open = g.node('Greater', [y, g.scalar(`${dx}/zero`, 0)], `${dx}/open`);
  g.node('Mul', [g.cast(open, `${dx}/one`, 'float32'), dy], dx);
};
