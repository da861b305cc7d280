/**
 * TopK: the k largest (or smallest) along an axis, sorted; of equals the lower index comes first, NaN counts
 * as largest.
 *
 * Versions: k is an attribute until 9 and an input since 10; `largest` and `sorted` since 11; 24 bfloat16.
 */
import { countOf, elements, emptyLike, indices, int64s } from '../value.ts';
import { axisOf, int, type Kernel, type Operators, operator, required, requiredInt } from './kernel.ts';

const topK: Kernel = (inputs, { node, version }) => {
  const x = required(inputs, 0);
  const axis = axisOf(int(node, 'axis', -1), x.shape.length);
  const [k] = version < 10 ? [requiredInt(node, 'k')] : indices(required(inputs, 1));
  const [extent, inner] = [x.shape[axis], countOf(x.shape.slice(axis + 1))];
  if (!(k >= 0 && k <= extent)) throw new Error(`k must be from 0 to ${extent} (= ${k})`);
  const sign = int(node, 'largest', 1) !== 0 ? 1 : -1;
  const shape = x.shape.with(axis, k);
  const data = emptyLike(x, countOf(shape));
  const [X, Y] = [elements(x.data), elements(data)];
  const winners = new Array<number>(Y.length).fill(0);
  const order = (a: number, b: number): number =>
    Number.isNaN(a) || Number.isNaN(b)
      ? Number(Number.isNaN(b)) - Number(Number.isNaN(a))
      : a > b
        ? -1
        : a < b
          ? 1
          : 0;
  const rows = countOf(x.shape.slice(0, axis)) * inner;
  for (let row = 0; row < rows; row++) {
    const [outer, column] = [Math.floor(row / inner), row % inner];
    const at = (i: number): number => (outer * extent + i) * inner + column;
    const sorted = Array.from({ length: extent }, (_, i) => i).sort(
      (a, b) => sign * order(X[at(a)], X[at(b)]) || a - b,
    );
    for (let i = 0; i < k; i++) {
      const to = (outer * k + i) * inner + column;
      Y[to] = X[at(sorted[i])];
      winners[to] = sorted[i];
    }
  }
  return [{ dtype: x.dtype, shape, data }, int64s(winners, shape)];
};

export const operators: Operators = {
  TopK: operator('1 10 11 24', topK, 'axis k largest sorted'),
};
