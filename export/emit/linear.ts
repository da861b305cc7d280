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

export const paper = 'section 3.5';

export const emit = (
  g: GraphBuilder,
  layer: Layer & { kind: 'linear' },
  [x]: readonly string[],
  weights: Weights,
): string => g.node('Gemm', [x, ...parameters(g, layer.name, weights)], layer.name, { transB: 1 }, paper);
