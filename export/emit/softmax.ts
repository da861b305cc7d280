/**
 * Softmax over classes.
 *
 * ONNX         Softmax, versions 1, 11, 13; the axis is written out, as its default changed from 1 to −1 in 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  LogSoftmax.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = 'section 3.5';

export const emit: Emit<'softmax'> = (g, layer, [x]) =>
  g.node('Softmax', [x], layer.name, { axis: 1 }, paper);

/** dx = y·(dy − Σ dy·y). At the end of a network the loss (loss.ts) takes its place. */
export const backward: EmitBackward<'softmax'> = (g, _, { y, dy, dx: [dx] }) => {
  const products = g.node('Mul', [dy, y], `${dx}/products`);
  const sum = g.sum(products, [1], `${dx}/sum`, `${dx}/axes`, 1);
  g.node('Mul', [y, g.node('Sub', [dy, sum], `${dx}/centred`)], dx);
};
