/**
 * LRN and BatchNormalization.
 *
 * LRN is reference/ops/lrn.ts (α divided by the window's size; an even window reaches further up), for any number of
 * spatial dimensions. Versions: 13 bfloat16.
 *
 * BatchNormalization: y = scale·(x − mean)/√(var + ε) + bias. Versions: until 6 `is_test` = 0 means training,
 * 7 to 13 the number of outputs does (more than Y: training), from 14 `training_mode`; `spatial` = 0 (one
 * statistic an activation) until 8. In training mean and variance are the batch's (÷ count), and the running
 * ones become momentum·running + (1 − momentum)·batch.
 */
import type { Attributes as LrnAttributes } from '../../../reference/ops/lrn.ts';
import type { FloatDType } from '../../array/dtype.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, countOf, floatData, floats, workingPrecision } from '../value.ts';
import {
  type Context,
  float,
  int,
  type Kernel,
  type Operators,
  operator,
  required,
  requiredInt,
} from './kernel.ts';

const lrn: Kernel = (inputs, { node, precision }) => {
  const x = required(inputs, 0);
  if (x.shape.length < 2) throw new Error(`x must have 2 dimensions or more (shape = [${x.shape}])`);
  const attributes: LrnAttributes = {
    size: requiredInt(node, 'size'),
    alpha: float(node, 'alpha', 1e-4),
    beta: float(node, 'beta', 0.75),
    k: float(node, 'bias', 1),
    divide: true,
    even: 'above',
    groups: 1,
  };
  const [N, C, ...extents] = x.shape;
  const maps = asTensor(x, [N, C, countOf(extents), 1]);
  const y = ops.lrn.forward([maps], attributes, workingPrecision(x.dtype, precision));
  return [floats(x.dtype as FloatDType, y.data, x.shape, precision)];
};

function isTraining({ node, version }: Context): boolean {
  if (version >= 14) return int(node, 'training_mode', 0) !== 0;
  if (version < 7) return int(node, 'is_test', 0) === 0;
  return node.outputs.slice(1).some((name) => name !== '');
}

const batchNormalization: Kernel = (inputs, context) => {
  const { node, precision } = context;
  const x = required(inputs, 0);
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map((i) => required(inputs, i));
  const X = floatData(x);
  const [N, C = 1, ...extents] = x.shape;
  const inner = countOf(extents);
  const spatial = int(node, 'spatial', 1) !== 0;
  const statistics = spatial ? C : C * inner;
  for (const value of [scale, bias, mean, variance]) {
    if (value.data.length !== statistics) {
      throw new Error(`scale, bias, mean and variance must have ${statistics} values (= [${value.shape}])`);
    }
  }
  const which = (i: number): number => (spatial ? Math.floor(i / inner) % C : i % (C * inner));
  const training = isTraining(context);
  const [m, v] = training ? batchStatistics(X, statistics, which) : [floatData(mean), floatData(variance)];
  const epsilon = float(node, 'epsilon', 1e-5);
  const [S, B] = [floatData(scale), floatData(bias)];
  const factor = Float64Array.from(v, (value, c) => S[c] / Math.sqrt(value + epsilon));
  const Y = Float64Array.from(X, (value, i) => (value - m[which(i)]) * factor[which(i)] + B[which(i)]);
  const y = floats(x.dtype as FloatDType, Y, x.shape, precision);
  if (!training || N === 0) return [y];
  const momentum = float(node, 'momentum', 0.9);
  const statistic = (data: ArrayLike<number>) =>
    floats(mean.dtype as FloatDType, Float64Array.from(data), mean.shape, precision);
  const running = (old: ArrayLike<number>, batch: ArrayLike<number>) =>
    statistic(Float64Array.from(old, (value, c) => momentum * value + (1 - momentum) * batch[c]));
  const result = [y, running(floatData(mean), m), running(floatData(variance), v)];
  return context.version < 14 ? [...result, statistic(m), statistic(v)] : result;
};

/** Mean and population variance, two passes. */
function batchStatistics(
  X: ArrayLike<number>,
  statistics: number,
  which: (i: number) => number,
): [Float64Array, Float64Array] {
  const count = X.length / statistics;
  const mean = new Float64Array(statistics);
  const variance = new Float64Array(statistics);
  for (let i = 0; i < X.length; i++) mean[which(i)] += X[i] / count;
  for (let i = 0; i < X.length; i++) variance[which(i)] += (X[i] - mean[which(i)]) ** 2 / count;
  return [mean, variance];
}

export const operators: Operators = {
  LRN: operator('1 13', lrn, 'alpha beta bias size'),
  BatchNormalization: operator(
    '1 6 7 9 14 15',
    batchNormalization,
    'epsilon is_test momentum spatial training_mode consumed_inputs',
  ),
};
