/**
 * LRN, BatchNormalization and Dropout.
 *
 * LRN is reference/ops/lrn.ts (α divided by the window's size; an even window reaches further up), for any number of
 * spatial dimensions. Versions: 13 bfloat16.
 *
 * BatchNormalization: y = scale·(x − mean)/√(var + ε) + bias. Versions: until 6 `is_test` = 0 means training,
 * 7 to 13 the number of outputs does (more than Y: training), from 14 `training_mode`; `spatial` = 0 (one
 * statistic an activation) until 8. In training mean and variance are the batch's (÷ count), and the running
 * ones become momentum·running + (1 − momentum)·batch.
 *
 * Dropout is reference/ops/dropout.ts, 'inverted'.
 * Versions: until 6 `is_test` = 0 (the default) means training, with masks of an unspecified generator:
 * refused. 7 and 10: inference only, y = x; the mask, where it is asked for, is of x's type until 9 and bool
 * from 10. From 12 ratio and training_mode are inputs, `seed` an attribute (0 where absent) for numpy's
 * MT19937, drop where u < ratio.
 */
import type { Attributes as LrnAttributes } from '../../../reference/ops/lrn.ts';
import { tensor } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { mt19937 } from '../mt19937.ts';
import { asTensor, bools, countOf, floatData, only } from '../value.ts';
import { type Attributes, type Call, type Kernel, type Operators, operator } from './kernel.ts';

/** A node's attributes as the reference has them. */
export const lrnAttributes = (a: Attributes): LrnAttributes => ({
  size: a.int('size'),
  alpha: a.float('alpha', 1e-4),
  beta: a.float('beta', 0.75),
  k: a.float('bias', 1),
  divide: true,
  even: 'above',
  groups: 1,
});

const lrn: Kernel = (call) => {
  const x = call.input(0);
  if (x.shape.length < 2) throw new Error(`x must have 2 dimensions or more (shape = [${x.shape}])`);
  const [N, C, ...extents] = x.shape;
  const maps = asTensor(x, [N, C, countOf(extents), 1]);
  return call.floats(x, ops.lrn.forward([maps], lrnAttributes(call), call.working(x)).data);
};

/** Whether a BatchNormalization takes its statistics from the batch. */
export function takesBatchStatistics(node: Attributes, version: number): boolean {
  if (version >= 14) return node.flag('training_mode');
  if (version < 7) return !node.flag('is_test');
  return node.node.outputs.slice(1).some((name) => name !== '');
}

const batchNormalization: Kernel = (call) => {
  const [x, ...vectors] = call.inputs(5);
  const X = floatData(x);
  const [N, C = 1, ...extents] = x.shape;
  const inner = countOf(extents);
  const spatial = call.flag('spatial', true);
  const count = spatial ? C : C * inner;
  const odd = vectors.find((value) => value.data.length !== count);
  if (odd) throw new Error(`scale, bias, mean and variance must have ${count} values (= [${odd.shape}])`);
  const run = spatial ? inner : 1;
  const training = takesBatchStatistics(call, call.version);
  const [S, B, M, V] = vectors.map(floatData);
  const [m, v] = training ? batchStatistics(X, count, run) : [M, V];
  const epsilon = call.float('epsilon', 1e-5);
  const factor = new Float64Array(v).map((value, c) => S[c] / Math.sqrt(value + epsilon));
  const Y = new Float64Array(X.length);
  eachOfStatistic(X.length, count, run, (i, c) => {
    Y[i] = (X[i] - m[c]) * factor[c] + B[c];
  });
  const y = call.floats(x, Y);
  if (!training || N === 0) return y;
  const momentum = call.float('momentum', 0.9);
  const running = (old: ArrayLike<number>, batch: ArrayLike<number>) =>
    new Float64Array(old).map((value, c) => momentum * value + (1 - momentum) * batch[c]);
  const statistics = [running(M, m), running(V, v), ...(call.version < 14 ? [m, v] : [])];
  return [y, ...statistics.map((data) => call.floats(vectors[2], data))];
};

/** Mean and population variance, two passes. */
function batchStatistics(
  X: ArrayLike<number>,
  statistics: number,
  run: number,
): [Float64Array, Float64Array] {
  const count = X.length / statistics;
  const mean = new Float64Array(statistics);
  const variance = new Float64Array(statistics);
  eachOfStatistic(X.length, statistics, run, (i, c) => {
    mean[c] += X[i] / count;
  });
  eachOfStatistic(X.length, statistics, run, (i, c) => {
    variance[c] += (X[i] - mean[c]) ** 2 / count;
  });
  return [mean, variance];
}

/** Every index i of `length` values with its statistic c: `run` values in a row share one. */
function eachOfStatistic(
  length: number,
  statistics: number,
  run: number,
  use: (i: number, c: number) => void,
) {
  for (let i = 0, c = 0; i < length; c = (c + 1) % statistics)
    for (const end = i + run; i < end; i++) use(i, c);
}

const dropout: Kernel = (call) => {
  const x = call.input(0);
  if (call.version < 7 && !call.flag('is_test')) {
    throw new Error('training (is_test = 0) has no defined random numbers before opset 12');
  }
  const [, given, mode] = call.given;
  const ratio = given ? only(given) : Math.fround(0.5);
  const training = call.version >= 12 && mode !== undefined && only(mode) !== 0;
  if (!training || ratio === 0) return [x, keepAll(x, call)];
  const random = mt19937(call.int('seed', 0));
  const mask = new Uint8Array(x.data.length).map(() => Number(random() >= ratio));
  const attributes: ops.dropout.Attributes = { ratio, convention: 'inverted' };
  const operands = [asTensor(x), tensor(new Float32Array(mask), x.shape)];
  const y = ops.dropout.forward(operands, attributes, call.working(x));
  return [call.floats(x, y.data), bools(mask, x.shape)];
};

function keepAll(x: Value, call: Call): Value {
  if (call.version >= 10) return bools(new Uint8Array(x.data.length).fill(1), x.shape);
  return call.floats(x, new Float64Array(x.data.length).fill(1));
}

export const operators: Operators = {
  LRN: operator('1 13', lrn, 'alpha beta bias size'),
  BatchNormalization: operator(
    '1 6 7 9 14 15',
    batchNormalization,
    'epsilon is_test momentum spatial training_mode consumed_inputs',
  ),
  Dropout: operator('1 6 7 10 12 13 22', dropout, 'consumed_inputs is_test ratio seed'),
};
