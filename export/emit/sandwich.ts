/** y = A·x·B for every map: how sums over unequal bins are written with constant matrices. */
import { tensor } from '../../reference/tensor.ts';
import type { GraphBuilder } from '../graph.ts';

/** The transpose of a (rows, columns) matrix. */
export const transposedMatrix = (a: Float64Array, rows: number, columns: number): Float64Array =>
  a.map((_, i) => a[(i % rows) * columns + Math.floor(i / rows)]);

/** `output` = A·x·B with A (P,H), x (N,C,H,W) and B (W,Q). */
export function sandwiched(
  g: GraphBuilder,
  [a, x, b]: readonly [Float64Array, string, Float64Array],
  [P, H, W, Q]: readonly [number, number, number, number],
  output: string,
): string {
  const rows = g.initializer(`${output}/rows`, tensor(a, [P, H]));
  const columns = g.initializer(`${output}/columns`, tensor(b, [W, Q]));
  return g.node('MatMul', [g.node('MatMul', [rows, x], `${output}/high`), columns], output);
}
