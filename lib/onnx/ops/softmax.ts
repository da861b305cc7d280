/**
 * Softmax, LogSoftmax, Hardmax.
 *
 * Softmax itself is reference/ops/softmax.ts, on rows.
 * Versions: until 12 the value is flattened to two dimensions at `axis` (default 1); from 13 one axis is normalised
 * (default −1). 11 allows negative axes.
 */
import * as math from '../../../reference/math.ts';
import { type Shape, type Storage, sizeOf, tensor } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import * as ops from '../../fast/index.ts';
import { floatData, floats } from '../value.ts';
import { axisOf, int, type Kernel, type Operators, operator, required } from './kernel.ts';

/** y of the rows x (N rows of K values), in float64. */
type Rows = (x: Storage, N: number, K: number) => Storage;

const softmax: Rows = (x, N, K) => ops.softmax.forward([tensor(x, [N, K])], undefined, 'float64').data;

/** x − m − ln Σe^(x−m). */
const logSoftmax: Rows = (x, N, K) => {
  const y = new Float64Array(x.length);
  for (let n = 0; n < N; n++) {
    const row = n * K;
    let m = -Infinity;
    for (let k = 0; k < K; k++) if (!(x[row + k] <= m)) m = x[row + k];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += math.exp(x[row + k] - m);
    const log = math.log(sum);
    for (let k = 0; k < K; k++) y[row + k] = x[row + k] - m - log;
  }
  return y;
};

/** 1 for the first maximum of a row. */
const hardmax: Rows = (x, N, K) => {
  const y = new Float64Array(x.length);
  for (let n = 0; n < N; n++) {
    let best = 0;
    for (let k = 1; k < K; k++) if (x[n * K + k] > x[n * K + best]) best = k;
    if (K > 0) y[n * K + best] = 1;
  }
  return y;
};

/** `axis` brought last, as rows; and back. */
function alongAxis(x: Storage, shape: Shape, axis: number, rows: Rows): Storage {
  const [outer, K, inner] = [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
  if (inner === 1) return rows(x, outer, K);
  const gathered = new Float64Array(x.length);
  const at = (n: number, k: number): number => (Math.floor(n / inner) * K + k) * inner + (n % inner);
  const N = outer * inner;
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) gathered[n * K + k] = x[at(n, k)];
  const result = rows(gathered, N, K);
  const y = new Float64Array(x.length);
  for (let n = 0; n < N; n++) for (let k = 0; k < K; k++) y[at(n, k)] = result[n * K + k];
  return y;
}

/** log softmax over the axis 1 of (N,C,…), float64; the losses need it. */
export const logSoftmaxOverChannels = (x: Storage, shape: Shape): Storage =>
  alongAxis(x, shape, 1, logSoftmax);

const kernel =
  (rows: Rows): Kernel =>
  (inputs, { node, version, precision }) => {
    const x = required(inputs, 0);
    const data = floatData(x);
    const rank = x.shape.length;
    const dtype = x.dtype as FloatDType;
    if (version >= 13) {
      const axis = axisOf(int(node, 'axis', -1), rank);
      const y = rank === 0 ? rows(data, 1, 1) : alongAxis(data, x.shape, axis, rows);
      return [floats(dtype, y, x.shape, precision)];
    }
    const axis = int(node, 'axis', 1);
    const cut = axis === rank ? rank : axisOf(axis, rank);
    const y = rows(data, sizeOf(x.shape.slice(0, cut)), sizeOf(x.shape.slice(cut)));
    return [floats(dtype, y, x.shape, precision)];
  };

export const operators: Operators = {
  Softmax: operator('1 11 13', kernel(softmax), 'axis'),
  LogSoftmax: operator('1 11 13', kernel(logSoftmax), 'axis'),
  Hardmax: operator('1 11 13', kernel(hardmax), 'axis'),
};
