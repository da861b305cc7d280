/**
 * Fully connected layer.
 *
 * ONNX         Gemm, versions 1, 6, 7, 9, 11, 13; transB = 1, as the weights are (out, in).
 * Spec         spec/export/emit.spec.ts
 * Not emitted  MatMul and Add.
 */
import type { Emit, EmitBackward } from './emitter.ts';
import { emitBiasGradient, parameters } from './parameters.ts';

export const paper = 'section 3.5';

export const emit: Emit<'linear'> = (g, layer, [x], weights) =>
  g.node('Gemm', [x, ...parameters(g, layer.name, weights)], layer.name, { transB: 1 }, paper);

/** db = Σₙ dy, dw = dyᵀ·x, dx = dy·w. */
export const backward: EmitBackward<'linear'> = (g, { name }, { inputs: [x], dy, dx: [dx], wants }) => {
  const weight = `${name}.weight`;
  emitBiasGradient(g, name, dy, [0], wants);
  if (wants(weight)) g.node('Gemm', [dy, x], `d${weight}`, { transA: 1 });
  if (dx !== null) g.node('Gemm', [dy, weight], dx);
};
