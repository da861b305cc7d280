/**
 * Tanh.
 *
 * ONNX         Tanh, versions 1, 6, 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Reverse } from './reverse.ts';

export const paper = 'section 3.1';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'tanh' }, [x]: readonly string[]): string =>
  g.node('Tanh', [x], layer.name, {}, paper);

/** dx = dy·(1 − y²). */
export function backward(g: GraphBuilder, { y, dy, dx: [dx] }: Reverse): void {
  if (dx === null) return;
  const square = g.node('Mul', [y, y], `${dx}/square`);
  g.node('Mul', [dy, g.node('Sub', [g.scalar(`${dx}/one`, 1), square], `${dx}/slope`)], dx);
}
