/**
 * Dropout, 'inverted' (reference/ops/dropout.ts).
 *
 * Versions: until 6 `is_test` = 0 (the default) means training, with masks of an unspecified generator:
 * refused. 7 and 10: inference only, y = x; the mask, where it is asked for, is of x's type until 9 and bool
 * from 10. From 12 ratio and training_mode are inputs, `seed` an attribute (0 where absent) for numpy's
 * MT19937, drop where u < ratio.
 */

import { tensor } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { mt19937 } from '../mt19937.ts';
import { asTensor, bools, floats, scalar, workingPrecision } from '../value.ts';
import { type Context, int, type Kernel, type Operators, operator, required } from './kernel.ts';

const dropout: Kernel = (inputs, context) => {
  const { node, version, precision } = context;
  const x = required(inputs, 0);
  if (version < 7 && int(node, 'is_test', 0) === 0) {
    throw new Error('training (is_test = 0) has no defined random numbers before opset 12');
  }
  const ratio = inputs[1] ? scalar(inputs[1]) : Math.fround(0.5);
  const training = version >= 12 && inputs[2] !== undefined && scalar(inputs[2]) !== 0;
  if (!training || ratio === 0) return [x, keepAll(x, context)];
  const random = mt19937(int(node, 'seed', 0));
  const mask = Uint8Array.from({ length: x.data.length }, () => Number(random() >= ratio));
  const attributes: ops.dropout.Attributes = { ratio, convention: 'inverted' };
  const operands = [asTensor(x), tensor(Float32Array.from(mask), x.shape)];
  const y = ops.dropout.forward(operands, attributes, workingPrecision(x.dtype, precision));
  return [floats(x.dtype as FloatDType, y.data, x.shape, precision), bools(mask, x.shape)];
};

function keepAll(x: Value, { version, precision }: Context): Value {
  if (version >= 10) return bools(new Uint8Array(x.data.length).fill(1), x.shape);
  return floats(x.dtype as FloatDType, new Float64Array(x.data.length).fill(1), x.shape, precision);
}

export const operators: Operators = {
  Dropout: operator('1 6 7 10 12 13 22', dropout, 'consumed_inputs is_test ratio seed'),
};
