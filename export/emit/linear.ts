/**
 * Fully connected layer.
 *
 * ONNX         Gemm, versions 1, 6, 7, 9, 11, 13; transB = 1, as the weights are (out, in).
 * Spec         spec/export/emit.spec.ts
 * Not emitted  MatMul and Add.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';
import { parameters } from './parameters.ts';
import type { Reverse } from './reverse.ts';

export const paper = 'section 3.5';

export const emit = (
  g: GraphBuilder,
  layer: Layer & { kind: 'linear' },
  [x]: readonly string[],
  weights: Weights,
): string => g.node('Gemm', [x, ...parameters(g, layer.name, weights)], layer.name, { transB: 1 }, paper);

/** db = Σₙ dy, dw = dyᵀ·x, dx = dy·w. */
export function backward(
  g: GraphBuilder,
  { name }: Layer & { kind: 'linear' },
  { inputs: [x], dy, dx: [dx], wants }: Reverse,
): void {
  const [weight, bias] = [`${name}.weight`, `${name}.bias`];
  if (g.has(bias) && wants(bias)) {
    g.node('ReduceSum', [dy, g.integers(`d${bias}/axes`, [0])], `d${bias}`, { keepdims: 0 });
  }
  if (wants(weight)) g.node('Gemm', [dy, x], `d${weight}`, { transA: 1 });
  if (dx !== null) g.node('Gemm', [dy, weight], dx);
}
