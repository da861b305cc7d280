/**
 * Softmax, LogSoftmax, Hardmax, and the losses NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 *
 * Softmax itself is reference/ops/softmax.ts, on rows.
 * Versions: until 12 the value is flattened to two dimensions at `axis` (default 1); from 13 one axis is normalised
 * (default −1). 11 allows negative axes.
 *
 *   l[n,d] = −w[t]·x[n,t,d],   t = target[n,d]; 0 where t is ignore_index; mean = Σl / Σw[t] over those that count
 *
 * SoftmaxCrossEntropyLoss takes scores, x = log softmax over axis 1, and gives that as its second output.
 * Versions: 12, 13 (bfloat16), NegativeLogLikelihoodLoss 22.
 */
import * as math from '../../../reference/math.ts';
import { type Shape, type Storage, sizeOf, tensor } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { floatData, indices } from '../value.ts';
import {
  type Attributes,
  type Call,
  cutOf,
  type Kernel,
  type Operators,
  operator,
  operatorsOf,
} from './kernel.ts';
import { linesAlong } from './strides.ts';

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

type Lines = ReturnType<typeof linesAlong>;

/** The rows that a softmax of this version normalises, of a value of this shape. */
export function rowsOf(node: Attributes, version: number, shape: Shape): Lines {
  const rank = shape.length;
  if (version >= 13 && rank > 0) return linesAlong(shape, node.axis(rank, -1));
  const cut = rank === 0 ? 0 : cutOf(node.int('axis', 1), rank);
  const extent = sizeOf(shape.slice(cut));
  return { count: sizeOf(shape.slice(0, cut)), extent, at: (n, k) => n * extent + k };
}

/** The elements row after row; and back. */
export function gathered(x: ArrayLike<number>, { count, extent, at }: Lines): Float64Array {
  const rows = new Float64Array(x.length);
  for (let n = 0; n < count; n++) for (let k = 0; k < extent; k++) rows[n * extent + k] = x[at(n, k)];
  return rows;
}

export function scattered(rows: ArrayLike<number>, { count, extent, at }: Lines): Float64Array {
  const y = new Float64Array(rows.length);
  for (let n = 0; n < count; n++) for (let k = 0; k < extent; k++) y[at(n, k)] = rows[n * extent + k];
  return y;
}

const alongLines = (x: Storage, lines: Lines, rows: Rows): Storage =>
  scattered(rows(gathered(x, lines), lines.count, lines.extent), lines);

const along =
  (rows: Rows): Kernel =>
  (call) => {
    const x = call.input(0);
    return call.floats(x, alongLines(floatData(x), rowsOf(call, call.version, x.shape), rows));
  };

/** The loss for x, which is the value `score` or computed from it. */
function loss(x: Storage, score: Value, call: Call): Value {
  const target = call.input(1);
  const weight = call.given[2] && floatData(call.given[2]);
  const [N, C, ...rest] = score.shape;
  if (score.shape.length < 2 || target.shape.join() !== [N, ...rest].join()) {
    throw new Error(`the target [${target.shape}] does not fit [${score.shape}]`);
  }
  if (weight && weight.length !== C) {
    throw new Error(`the weights must have ${C} values (= ${weight.length})`);
  }
  const { at } = linesAlong(score.shape, 1);
  const ignored = call.has('ignore_index') ? call.int('ignore_index') : null;
  let total = 0;
  let weights = 0;
  const each = new Float64Array(indices(target)).map((t, i) => {
    if (t === ignored) return 0;
    if (!(t >= 0 && t < C)) throw new Error(`target ${t} is outside the ${C} classes`);
    const w = weight ? weight[t] : 1;
    const value = -w * x[at(i, t)];
    total += value;
    weights += w;
    return value;
  });
  const reduction = call.word('reduction', 'mean', 'sum', 'none');
  if (reduction === 'none') return call.floats(score, each, target.shape);
  return call.floats(score, Float64Array.of(reduction === 'sum' ? total : total / weights), []);
}

const negativeLogLikelihood: Kernel = (call) => loss(floatData(call.input(0)), call.input(0), call);

const softmaxCrossEntropy: Kernel = (call) => {
  const scores = call.input(0);
  const logs = alongLines(floatData(scores), linesAlong(scores.shape, 1), logSoftmax);
  return [loss(logs, scores, call), call.floats(scores, logs)];
};

export const operators: Operators = {
  ...operatorsOf('1 11 13', 'axis', { Softmax: softmax, LogSoftmax: logSoftmax, Hardmax: hardmax }, along),
  NegativeLogLikelihoodLoss: operator('12 13 22', negativeLogLikelihood, 'ignore_index reduction'),
  SoftmaxCrossEntropyLoss: operator('12 13', softmaxCrossEntropy, 'ignore_index reduction'),
};
