/**
 * The fast twin of ops/linear.ts: the same signature, the same bits.
 *
 * One matrix product: rows are images, columns neurons. The weights, most of the network's bytes, pass through the
 * engine's memory in chunks: they are read once, and never held twice.
 */
import * as plain from '../ops/linear.ts';
import type { Terms } from '../ops/terms.ts';
import { allocate, dense, map, type Precision, precisionOf, sizeOf, type Tensor, tensor } from '../tensor.ts';
import { currentEngine, type Engine, isWide, openArena, viewOf } from './engine.ts';
import { grid } from './grid.ts';
import { multiply, packRows } from './multiply.ts';
import type { Arithmetic, Source } from './product.ts';

export { macs, shape } from '../ops/linear.ts';

/** Weights in the engine's memory at a time. */
const CHUNK_BYTES = 1 << 21;

/** y as ops/linear.ts defines it. */
export function forward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const yShape = plain.shape(x.shape, w.shape);
  const engine = currentEngine();
  if (!engine || sizeOf(yShape) === 0 || x.shape[1] === 0) return plain.forward(x, w, b, precision);
  const wide = isWide(dense(x)) || isWide(dense(w));
  const source = isWide(dense(w)) ? 'float64' : 'lines';
  return { y: product(engine, x, w, b, precision, wide ? 'float64' : 'fused', source) };
}

/**
 * As ops/linear.ts. For float32 operands |w·x| = |w|·|x| and (w·x)² = w²·x² before rounding, so both sums are products
 * of mapped operands.
 */
export function terms(x: Tensor, w: Tensor, b: Tensor | null): Terms {
  const engine = currentEngine();
  if (!engine || isWide(dense(x)) || isWide(dense(w)) || sizeOf(w.shape) === 0 || x.shape[0] === 0)
    return plain.terms(x, w, b);
  plain.shape(x.shape, w.shape);
  const sum = (f: (value: number) => number, source: Source): Tensor =>
    product(engine, map(x, f), w, b && map(b, f), 'float64', 'float64', source);
  return {
    magnitude: sum(Math.abs, 'magnitudes'),
    squares: sum((v) => v * v, 'squares'),
    count: w.shape[1],
  };
}

/** x · wᵀ + b, the weights read as `source` says. */
function product(
  engine: Engine,
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  precision: Precision,
  arithmetic: Arithmetic,
  source: Source,
): Tensor {
  const [N, I] = x.shape;
  const [O] = w.shape;
  const [X, F, B] = [dense(x), dense(w), b && dense(b)];
  if (B && B.length !== O) throw new Error(`linear: b must have ${O} values (= ${B.length})`);
  const Y = allocate(N * O, precision);
  const [wBytes, yBytes] = [F.BYTES_PER_ELEMENT, Y.BYTES_PER_ELEMENT];
  const arena = openArena(engine);
  const bias = arena.put(Float64Array.from(B ?? new Float64Array(O)));
  const steps = grid([I], [X.BYTES_PER_ELEMENT]);
  const images = packRows(engine, arena, arithmetic, {
    at: arena.put(X),
    source: isWide(X) ? 'float64' : 'lines',
    lines: grid([N], [I * X.BYTES_PER_ELEMENT]),
    steps,
  });
  const yAt = arena.take(N * O * yBytes);
  const chunk = Math.min(O, Math.max(1, Math.floor(CHUNK_BYTES / (I * wBytes))));
  const lines = grid([chunk], [I * wBytes]);
  const columns = grid([chunk], [yBytes]);
  const weightSteps = grid([I], [wBytes]);
  const mark = arena.mark();
  for (let o = 0; o < O; o += chunk) {
    const count = Math.min(chunk, O - o);
    const at = arena.put(F.subarray(o * I, (o + count) * I));
    const operand = { at, source, lines: lines.subarray(0, count), steps: weightSteps };
    multiply(engine, arena, arithmetic, images, operand, {
      at: yAt + o * yBytes,
      wide: isWide(Y),
      rowBytes: O * yBytes,
      columns: columns.subarray(0, count),
      bias: bias + 8 * o,
      biasPer: 'column',
    });
    arena.release(mark);
  }
  Y.set(viewOf(engine, precision, yAt, N * O));
  return tensor(Y, [N, O]);
}
