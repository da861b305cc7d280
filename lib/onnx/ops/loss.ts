/**
 * NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 *
 *   l[n,d] = −w[t]·x[n,t,d],   t = target[n,d]; 0 where t is ignore_index; mean = Σl / Σw[t] over those that count
 *
 * SoftmaxCrossEntropyLoss takes scores, x = log softmax over axis 1, and gives that as its second output.
 * Versions: 12, 13 (bfloat16), NegativeLogLikelihoodLoss 22.
 */
import type { Storage } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { countOf, floatData, floats, indices } from '../value.ts';
import {
  type Context,
  type Inputs,
  int,
  type Kernel,
  type Operators,
  operator,
  required,
  text,
} from './kernel.ts';
import { logSoftmaxOverChannels } from './softmax.ts';

function loss(x: Storage, score: Value, inputs: Inputs, { node, precision }: Context): Value {
  const target = required(inputs, 1);
  const weight = inputs[2] && floatData(inputs[2]);
  const [N, C, ...rest] = score.shape;
  if (score.shape.length < 2 || target.shape.join() !== [N, ...rest].join()) {
    throw new Error(`the target [${target.shape}] does not fit [${score.shape}]`);
  }
  if (weight && weight.length !== C)
    throw new Error(`the weights must have ${C} values (= ${weight.length})`);
  const inner = countOf(rest);
  const ignored = node.attributes.has('ignore_index') ? int(node, 'ignore_index', 0) : null;
  let total = 0;
  let weights = 0;
  const each = Float64Array.from(indices(target), (t, i) => {
    if (t === ignored) return 0;
    if (!(t >= 0 && t < C)) throw new Error(`target ${t} is outside the ${C} classes`);
    const w = weight ? weight[t] : 1;
    const value = -w * x[(Math.floor(i / inner) * C + t) * inner + (i % inner)];
    total += value;
    weights += w;
    return value;
  });
  const reduction = text(node, 'reduction', 'mean');
  const dtype = score.dtype as FloatDType;
  if (reduction === 'none') return floats(dtype, each, target.shape, precision);
  if (reduction !== 'sum' && reduction !== 'mean') throw new Error(`reduction '${reduction}' is not known`);
  return floats(dtype, Float64Array.of(reduction === 'sum' ? total : total / weights), [], precision);
}

const negativeLogLikelihood: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  return [loss(floatData(x), x, inputs, context)];
};

const softmaxCrossEntropy: Kernel = (inputs, context) => {
  const scores = required(inputs, 0);
  const logs = logSoftmaxOverChannels(floatData(scores), scores.shape);
  const result = loss(logs, scores, inputs, context);
  return [result, floats(scores.dtype as FloatDType, logs, scores.shape, context.precision)];
};

export const operators: Operators = {
  NegativeLogLikelihoodLoss: operator('12 13 22', negativeLogLikelihood, 'ignore_index reduction'),
  SoftmaxCrossEntropyLoss: operator('12 13', softmaxCrossEntropy, 'ignore_index reduction'),
};
