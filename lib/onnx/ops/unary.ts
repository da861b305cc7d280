/**
 * One value in, one out: Abs Neg Sqrt Exp Log Reciprocal Relu LeakyRelu Tanh Sigmoid Clip.
 *
 * exp, log, tanh and sigmoid are reference/math.ts's (under 1 ULP in float64). NaN stays NaN.
 * Versions: 6 drops `consumed_inputs`; 13 bfloat16; Relu takes integers since 14. Clip's bounds are
 * attributes until 10 and inputs since 11 (integers since 12); where they cross, the upper one wins (numpy.clip).
 */
import * as math from '../../../reference/math.ts';
import { type FloatDType, isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, bigints, floatData, floats, integers, scalar, workingPrecision } from '../value.ts';
import { type Context, float, type Kernel, type Operators, operator, required } from './kernel.ts';

/** f of every element. Integers only where `integer` is given. */
function map(
  x: Value,
  { precision }: Context,
  f: (v: number) => number,
  integer?: (v: bigint) => bigint,
): Value {
  if (integer && isInteger(x.dtype)) return integers(x.dtype, bigints(x).map(integer), x.shape);
  return floats(x.dtype as FloatDType, Float64Array.from(floatData(x), f), x.shape, precision);
}

const simple =
  (f: (v: number) => number, integer?: (v: bigint) => bigint): Kernel =>
  (inputs, context) => [map(required(inputs, 0), context, f, integer)];

const relu: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  if (!isFloat(x.dtype))
    return [
      map(
        x,
        context,
        (v) => v,
        (v) => (v > 0n ? v : 0n),
      ),
    ];
  const y = ops.relu.forward([asTensor(x)], undefined, workingPrecision(x.dtype, context.precision));
  return [floats(x.dtype, y.data, x.shape, context.precision)];
};

const leakyRelu: Kernel = (inputs, context) => {
  const alpha = float(context.node, 'alpha', 0.01);
  return [map(required(inputs, 0), context, (v) => (v < 0 ? alpha * v : v))];
};

const clip: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const { node, version } = context;
  if (isInteger(x.dtype)) {
    const [low, high] = [inputs[1], inputs[2]].map((bound) => bound && bigints(bound)[0]);
    const raised = (v: bigint): bigint => (low !== undefined && v < low ? low : v);
    const kept = (v: bigint): bigint => (high !== undefined && v > high ? high : v);
    return [
      map(
        x,
        context,
        (v) => v,
        (v) => kept(raised(v)),
      ),
    ];
  }
  const bound = (i: number, name: string, otherwise: number): number => {
    if (version < 11) return float(node, name, otherwise);
    const given = inputs[i];
    return given ? scalar(given) : otherwise;
  };
  const low = bound(1, 'min', -Infinity);
  const high = bound(2, 'max', Infinity);
  return [map(x, context, (v) => Math.min(Math.max(v, low), high))];
};

export const operators: Operators = {
  Abs: operator(
    '1 6 13',
    simple(Math.abs, (v) => (v < 0n ? -v : v)),
    'consumed_inputs',
  ),
  Neg: operator(
    '1 6 13',
    simple(
      (v) => -v,
      (v) => -v,
    ),
    'consumed_inputs',
  ),
  Sqrt: operator('1 6 13', simple(Math.sqrt), 'consumed_inputs'),
  Exp: operator('1 6 13', simple(math.exp), 'consumed_inputs'),
  Log: operator('1 6 13', simple(math.log), 'consumed_inputs'),
  Reciprocal: operator(
    '1 6 13',
    simple((v) => 1 / v),
    'consumed_inputs',
  ),
  Tanh: operator('1 6 13', simple(math.tanh), 'consumed_inputs'),
  Sigmoid: operator('1 6 13', simple(math.sigmoid), 'consumed_inputs'),
  Relu: operator('1 6 13 14', relu, 'consumed_inputs'),
  LeakyRelu: operator('1 6 16', leakyRelu, 'alpha consumed_inputs'),
  Clip: operator('1 6 11 12 13', clip, 'min max consumed_inputs'),
};
