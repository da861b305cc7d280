/**
 * Sigmoid.
 *
 * ONNX         Sigmoid, versions 1, 6, 13.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  fusion into the node before it: engines do that themselves.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Reverse } from './reverse.ts';

export const paper = '';

export const emit = (g: GraphBuilder, layer: Layer & { kind: 'sigmoid' }, [x]: readonly string[]): string =>
  g.node('Sigmoid', [x], layer.name, {}, paper);

/** dx = dy·y·(1 − y). */
export function backward(g: GraphBuilder, { y, dy, dx: [dx] }: Reverse): void {
  if (dx === null) return;
  const rest = g.node('Sub', [g.scalar(`${dx}/one`, 1), y], `${dx}/rest`);
  g.node('Mul', [dy, g.node('Mul', [y, rest], `${dx}/slope`)], dx);
}
