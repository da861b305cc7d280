/**
 * Gemm, y = α·A′·B′ + β·C, and MatMul (numpy.matmul).
 *
 * The sums are reference/ops/linear.ts's: float64, ascending, one rounding at the end. Integers are exact and
 * wrap; Gemm refuses those beyond 2^53.
 * Versions: Gemm 7 C is broadcast to (M,N) (before, only with `broadcast` = 1), 9 integers, 11 C optional, 13
 * bfloat16; MatMul 9 integers, 13 bfloat16.
 */
import { type Shape, type Storage, tensor } from '../../../reference/tensor.ts';
import { isInteger } from '../../array/dtype.ts';
import * as ops from '../../fast/index.ts';
import { bigints, countOf, floatData, integers, numbers } from '../value.ts';
import { type Kernel, type Operators, operator } from './kernel.ts';
import { broadcastIndex, broadcastShape } from './strides.ts';

/** (columns, rows) of a (rows, columns) matrix. */
export function transposed<T extends Storage>(data: T, rows: number, columns: number): T {
  const result = data.slice() as T;
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) result[c * rows + r] = data[r * columns + c];
  return result;
}

/** Σ_i a[m,i]·b[n,i] in float64, for a (M,I) and b (N,I). */
const products = (a: Storage, b: Storage, M: number, N: number, I: number): Storage =>
  ops.linear.forward([tensor(a, [M, I]), tensor(b, [N, I])], undefined, 'float64').data;

/** Sums of integers are exact in float64 up to 2^53. */
function exactInteger(sum: number): bigint {
  if (!(Math.abs(sum) <= Number.MAX_SAFE_INTEGER)) throw new Error(`the integer ${sum} is beyond 2^53`);
  return BigInt(Math.trunc(sum));
}

const gemm: Kernel = (call) => {
  const [a, b] = call.inputs(2);
  const c = call.given[2];
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw new Error(`A and B must be matrices (= [${a.shape}] and [${b.shape}])`);
  }
  const transA = call.flag('transA');
  const transB = call.flag('transB');
  const [M, I] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [N, J] = transB ? b.shape : [b.shape[1], b.shape[0]];
  if (I !== J) throw new Error(`A [${a.shape}] and B [${b.shape}] do not fit`);
  const shape = [M, N];
  if (c && call.version < 7 && !call.flag('broadcast') && c.shape.join() !== shape.join()) {
    throw new Error(`C must be [${shape}] without broadcast = 1 (= [${c.shape}])`);
  }
  if (c && broadcastShape([c.shape, shape]).join() !== shape.join()) {
    throw new Error(`C [${c.shape}] does not broadcast to [${shape}]`);
  }
  const alpha = call.float('alpha', 1);
  const beta = call.float('beta', 1);
  const [A, B] = [a, b].map((v) => (isInteger(a.dtype) ? new Float64Array(numbers(v)) : floatData(v)));
  const rows = transA ? transposed(A, a.shape[0], a.shape[1]) : A;
  const columns = transB ? B : transposed(B, b.shape[0], b.shape[1]);
  const y = products(rows, columns, M, N, I);
  const [C, ic] = c ? [numbers(c), broadcastIndex(c.shape, shape)] : [null, null];
  for (let i = 0; i < y.length; i++) y[i] = alpha * y[i] + (C ? beta * C[ic![i]] : 0);
  return isInteger(a.dtype) ? integers(a.dtype, (i) => exactInteger(y[i]), shape) : call.floats(a, y, shape);
};

/** Operands with at least two dimensions, the common batch shape, and the shape of the result. */
function matmulShapes(a: Shape, b: Shape): { A: Shape; B: Shape; batch: Shape; result: Shape } {
  if (a.length === 0 || b.length === 0) throw new Error('operands must have a dimension');
  const A = a.length === 1 ? [1, a[0]] : a;
  const B = b.length === 1 ? [b[0], 1] : b;
  if (A.at(-1) !== B.at(-2)) throw new Error(`[${a}] and [${b}] do not fit`);
  const batch = broadcastShape([A.slice(0, -2), B.slice(0, -2)]);
  const rows = a.length === 1 ? [] : [A.at(-2)!];
  const columns = b.length === 1 ? [] : [B.at(-1)!];
  return { A, B, batch, result: [...batch, ...rows, ...columns] };
}

const matmul: Kernel = (call) => {
  const [a, b] = call.inputs(2);
  const { A, B, batch, result } = matmulShapes(a.shape, b.shape);
  const [M, I] = A.slice(-2);
  const N = B.at(-1)!;
  const [ia, ib] = [A, B].map((shape) => broadcastIndex(shape.slice(0, -2), batch));
  const size = countOf(result);
  if (isInteger(a.dtype)) {
    const [X, W] = [bigints(a), bigints(b)];
    const y = (at: number): bigint => {
      const n = at % N;
      const m = Math.floor(at / N) % M;
      const batchAt = Math.floor(at / (M * N));
      let sum = 0n;
      for (let i = 0; i < I; i++) sum += X[(ia[batchAt] * M + m) * I + i] * W[(ib[batchAt] * I + i) * N + n];
      return sum;
    };
    return integers(a.dtype, y, result);
  }
  const [X, W] = [floatData(a), floatData(b)];
  const Y = new Float64Array(size);
  for (let i = 0; i < ia.length; i++) {
    const x = X.subarray(ia[i] * M * I, (ia[i] + 1) * M * I);
    const w = transposed(W.subarray(ib[i] * I * N, (ib[i] + 1) * I * N), I, N);
    Y.set(products(x, w, M, N, I), i * M * N);
  }
  return call.floats(a, Y, result);
};

export const operators: Operators = {
  Gemm: operator('1 6 7 9 11 13', gemm, 'alpha beta broadcast transA transB'),
  MatMul: operator('1 9 13', matmul),
};
