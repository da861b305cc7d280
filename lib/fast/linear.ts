/**
 * The fast twin of ops/linear.ts: the same signature, the same bits.
 *
 * One matrix product: rows are images, columns neurons. The weights, most of the network's bytes, pass through the
 * engine's memory in chunks: they are read once, and never held twice.
 */
import * as plain from '../../reference/ops/linear.ts';
import type { Backward, Terms } from '../../reference/ops/operation.ts';
import {
  allocate,
  dense,
  map,
  type Precision,
  precisionOf,
  type Storage,
  sizeOf,
  type Tensor,
  tensor,
} from '../../reference/tensor.ts';
import { type Arena, currentEngine, type FastEngine, isFloat64, openArena, viewOf } from './engine.ts';
import { connect, mustBeSingle } from './float32.ts';
import type { OperandSource } from './kernels/pack.ts';
import type { Arithmetic } from './kernels/product.ts';
import { arithmeticFor, dots, grid, multiply, type Operand, packRows, partsBytes } from './product.ts';

export { macs, parameters, shape } from '../../reference/ops/linear.ts';

/** Weights in the engine's memory at a time. */
const CHUNK_BYTES = 1 << 20;
/** Up to this many images, weights are used where they lie. */
const FEW = 2;

/** y as ops/linear.ts defines it, or with `accumulate` 'float32' as float32.ts does. */
export function forward(
  operands: readonly Tensor[],
  _: undefined,
  precision: Precision = precisionOf(operands[0]),
  accumulate: Precision = 'float64',
): Tensor {
  const [x, w, b] = operands;
  const yShape = plain.shape([x.shape, w.shape]);
  if (accumulate === 'float32') mustBeSingle('linear', operands, precision);
  const engine = currentEngine();
  if (!engine || sizeOf(yShape) === 0 || x.shape[1] === 0) {
    if (accumulate === 'float32') return connect(operands);
    return plain.forward(operands, undefined, precision);
  }
  const X = dense(x);
  const F = dense(w);
  const source = isFloat64(F) ? 'float64' : 'lines';
  return product(engine, x, w, b, precision, arithmeticFor(accumulate, X, F), source);
}

/**
 * As ops/linear.ts. For float32 operands |w·x| = |w|·|x| and (w·x)² = w²·x² before rounding, so both sums are
 * products of mapped operands.
 */
export function terms(operands: readonly Tensor[]): Terms {
  const [x, w, b] = operands;
  const engine = currentEngine();
  if (!engine || isFloat64(dense(x)) || isFloat64(dense(w)) || sizeOf(w.shape) === 0 || x.shape[0] === 0)
    return plain.terms(operands);
  plain.shape([x.shape, w.shape]);
  const sum = (f: (value: number) => number, source: OperandSource): Tensor =>
    product(engine, map(x, f), w, b && map(b, f), 'float64', 'float64', source);
  return {
    magnitude: sum(Math.abs, 'magnitudes'),
    squares: sum((v) => v * v, 'squares'),
    count: w.shape[1],
  };
}

/** x · wᵀ + b, the weights read as `source` says; the next chunk is copied while others compute this one. */
function product(
  engine: FastEngine,
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  precision: Precision,
  arithmetic: Arithmetic,
  source: OperandSource,
): Tensor {
  const [N, I] = x.shape;
  const [O] = w.shape;
  const X = dense(x);
  const F = dense(w);
  const B = b && dense(b);
  if (B && B.length !== O) throw new Error(`linear: b must have ${O} values (= ${B.length})`);
  const Y = allocate(N * O, precision);
  const wBytes = F.BYTES_PER_ELEMENT;
  const yBytes = Y.BYTES_PER_ELEMENT;
  const arena = openArena(engine);
  const bias = arena.put(new Float64Array(B ?? new Float64Array(O)));
  const single = arithmetic === 'float32';
  const images =
    N <= FEW && source === 'lines'
      ? putLines(arena, X, N, I, single)
      : packImages(engine, arena, arithmetic, X, N, I);
  const yAt = arena.take(N * O * yBytes);
  // a multiple of every tile's columns
  const chunk = Math.min(O, 16 * Math.ceil(CHUNK_BYTES / (I * wBytes * 16)));
  const buffers = [arena.take(chunk * I * wBytes), arena.take(chunk * I * wBytes)];
  const load = (o: number): void => {
    if (o < O) arena.copy(buffers[(o / chunk) % 2], F.subarray(o * I, Math.min(o + chunk, O) * I));
  };
  const lines = grid([chunk], [I * wBytes]);
  const columns = grid([chunk], [yBytes]);
  const steps = grid([I], [wBytes]);
  const mark = arena.mark();
  load(0);
  for (let o = 0; o < O; o += chunk) {
    const count = Math.min(chunk, O - o);
    const at = buffers[(o / chunk) % 2];
    const result = { at: yAt + o * yBytes, wide: isFloat64(Y), rowBytes: O * yBytes, bias: bias + 8 * o };
    const next = () => load(o + chunk);
    if (images.packed) {
      const operand = { at, source, lines: lines.subarray(0, count), steps };
      const placed = { ...result, columns: columns.subarray(0, count), biasPer: 'column' } as const;
      multiply(engine, arena, arithmetic, images, operand, placed, { meanwhile: next });
    } else {
      dots(engine, arena, single ? 'float32' : 'float64', images, { at, count }, result, next);
    }
    arena.release(mark);
  }
  Y.set(viewOf(engine, precision, yAt, N * O));
  return tensor(Y, [N, O]);
}

/** Images as lines of what the sums are held in. */
function putLines(arena: Arena, X: Storage, count: number, depth: number, single: boolean) {
  return { at: arena.put(single ? X : new Float64Array(X)), count, depth, packed: false };
}

/** Images as packed panels. */
function packImages(
  engine: FastEngine,
  arena: Arena,
  arithmetic: Arithmetic,
  X: Storage,
  N: number,
  I: number,
) {
  const operand: Operand = {
    at: arena.put(X),
    source: isFloat64(X) ? 'float64' : 'lines',
    lines: grid([N], [I * X.BYTES_PER_ELEMENT]),
    steps: grid([I], [X.BYTES_PER_ELEMENT]),
  };
  return { ...packRows(engine, arena, arithmetic, operand), packed: true };
}

/** As ops/linear.ts defines it: two more products, dx over chunks of neurons, dw a chunk of neurons at a time. */
export const backward: Backward = (dy, operands, y, _, how = {}) => {
  const [x, w] = operands;
  const { precision = precisionOf(x), dx = true, dw = true } = how;
  const yShape = plain.shape([x.shape, w.shape]);
  const engine = currentEngine();
  if (!engine || dy.shape.join() !== yShape.join() || sizeOf(yShape) === 0 || x.shape[1] === 0) {
    return plain.backward(dy, operands, y, undefined, how);
  }
  return [
    dx ? inputGradient(engine, dy, w, precision) : null,
    dw ? weightGradient(engine, dy, x, precision) : null,
    dw ? plain.biasGradient(dy, precision) : null,
  ];
};

/** dx[n, i] = Σ_o dy[n, o] · w[o, i]: rows are images, columns inputs, and the sum goes on over chunks of neurons. */
function inputGradient(engine: FastEngine, dy: Tensor, w: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = w.shape[1];
  const DY = dense(dy);
  const F = dense(w);
  const DX = allocate(N * I, precision);
  const dBytes = DY.BYTES_PER_ELEMENT;
  const wBytes = F.BYTES_PER_ELEMENT;
  const xBytes = DX.BYTES_PER_ELEMENT;
  const arithmetic = arithmeticFor('float64', DY, F);
  const arena = openArena(engine);
  const at = arena.put(DY);
  const dxAt = arena.take(N * I * xBytes);
  const sums = arena.take(partsBytes(engine, arithmetic, N, I));
  const chunk = Math.min(O, Math.max(1, Math.floor((4 * CHUNK_BYTES) / (I * wBytes))));
  const y = { at: dxAt, wide: isFloat64(DX), rowBytes: I * xBytes, columns: grid([I], [xBytes]) };
  const inputs = grid([I], [wBytes]);
  const images = grid([N], [O * dBytes]);
  const mark = arena.mark();
  for (let o = 0; o < O; o += chunk) {
    const count = Math.min(chunk, O - o);
    const steps = grid([count], [dBytes]);
    const neurons = { at: at + o * dBytes, source: precisionOf(dy), lines: images, steps };
    const rows = packRows(engine, arena, arithmetic, neurons);
    const weights = arena.put(F.subarray(o * I, (o + count) * I));
    const down = grid([count], [I * wBytes]);
    const operand = { at: weights, source: precisionOf(w), lines: inputs, steps: down };
    const parts = { sums, begins: o === 0, ends: o + count === O };
    multiply(engine, arena, arithmetic, rows, operand, y, { parts });
    arena.release(mark);
  }
  DX.set(viewOf(engine, precision, dxAt, N * I));
  return tensor(DX, [N, I]);
}

/** dw[o, i] = Σ_n dy[n, o] · x[n, i]: rows are the neurons of a chunk, columns inputs. */
function weightGradient(engine: FastEngine, dy: Tensor, x: Tensor, precision: Precision): Tensor {
  const [N, O] = dy.shape;
  const I = x.shape[1];
  const DY = dense(dy);
  const X = dense(x);
  const DW = allocate(O * I, precision);
  const dBytes = DY.BYTES_PER_ELEMENT;
  const xBytes = X.BYTES_PER_ELEMENT;
  const wBytes = DW.BYTES_PER_ELEMENT;
  const arithmetic = arithmeticFor('float64', DY, X);
  const arena = openArena(engine);
  const at = arena.put(DY);
  const operand = {
    at: arena.put(X),
    source: precisionOf(x),
    lines: grid([I], [xBytes]),
    steps: grid([N], [I * xBytes]),
  };
  const chunk = Math.min(O, Math.max(1, Math.floor((4 * CHUNK_BYTES) / (I * wBytes))));
  const dwAt = arena.take(chunk * I * wBytes);
  const y = { at: dwAt, wide: isFloat64(DW), rowBytes: I * wBytes, columns: grid([I], [wBytes]) };
  const images = grid([N], [O * dBytes]);
  const mark = arena.mark();
  for (let o = 0; o < O; o += chunk) {
    const count = Math.min(chunk, O - o);
    const lines = grid([count], [dBytes]);
    const neurons = { at: at + o * dBytes, source: precisionOf(dy), lines, steps: images };
    const rows = packRows(engine, arena, arithmetic, neurons);
    multiply(engine, arena, arithmetic, rows, operand, y);
    DW.set(viewOf(engine, precision, dwAt, count * I), o * I);
    arena.release(mark);
  }
  return tensor(DW, [O, I]);
}
