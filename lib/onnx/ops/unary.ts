/**
 * One value in, one out: Abs Neg Sqrt Exp Log Reciprocal Relu LeakyRelu Tanh Sigmoid Clip.
 *
 * exp, log, tanh and sigmoid are reference/math.ts's (under 1 ULP in float64). NaN stays NaN.
 * Versions: 6 drops `consumed_inputs`; 13 bfloat16; Relu takes integers since 14. Clip's bounds are
 * attributes until 10 and inputs since 11 (integers since 12); where they cross, the upper one wins (numpy.clip).
 */
import * as math from '../../../reference/math.ts';
import { isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, bigints, floatData, integers, larger, only, smaller } from '../value.ts';
import { type Call, type Kernel, type Operators, operator, operatorsOf } from './kernel.ts';

interface Rule {
  readonly float: (v: number) => number;
  /** Where the operator takes integers. */
  readonly integer?: (v: bigint) => bigint;
}

/** The rule for every element. */
function map(call: Call, x: Value, { float, integer }: Rule): Value {
  if (integer && isInteger(x.dtype)) {
    const X = bigints(x);
    return integers(x.dtype, (i) => integer(X[i]), x.shape);
  }
  return call.floats(x, new Float64Array(floatData(x)).map(float));
}

const each =
  (rule: Rule): Kernel =>
  (call) =>
    map(call, call.input(0), rule);

const relu: Kernel = (call) => {
  const x = call.input(0);
  if (!isFloat(x.dtype)) return map(call, x, { float: (v) => v, integer: (v) => larger(v, 0n) });
  return call.floats(x, ops.relu.forward([asTensor(x)], undefined, call.working(x)).data);
};

const leakyRelu: Kernel = (call) => {
  const alpha = call.float('alpha', 0.01);
  return map(call, call.input(0), { float: (v) => (v < 0 ? alpha * v : v) });
};

const clip: Kernel = (call) => {
  const x = call.input(0);
  if (isInteger(x.dtype)) {
    const [low, high] = [1, 2].map((i) => call.given[i] && bigints(call.given[i])[0]);
    const raised = (v: bigint): bigint => (low === undefined ? v : larger(v, low));
    const integer = (v: bigint): bigint => (high === undefined ? raised(v) : smaller(raised(v), high));
    return map(call, x, { float: Number, integer });
  }
  const bound = (i: number, name: string, otherwise: number): number => {
    if (call.version < 11) return call.float(name, otherwise);
    return call.given[i] ? only(call.given[i]) : otherwise;
  };
  const low = bound(1, 'min', -Infinity);
  const high = bound(2, 'max', Infinity);
  return map(call, x, { float: (v) => Math.min(Math.max(v, low), high) });
};

const simple: Record<string, Rule> = {
  Abs: { float: Math.abs, integer: (v) => (v < 0n ? -v : v) },
  Neg: { float: (v) => -v, integer: (v) => -v },
  Sqrt: { float: Math.sqrt },
  Exp: { float: math.exp },
  Log: { float: math.log },
  Reciprocal: { float: (v) => 1 / v },
  Tanh: { float: math.tanh },
  Sigmoid: { float: math.sigmoid },
};

export const operators: Operators = {
  ...operatorsOf('1 6 13', 'consumed_inputs', simple, each),
  Relu: operator('1 6 13 14', relu, 'consumed_inputs'),
  LeakyRelu: operator('1 6 16', leakyRelu, 'alpha consumed_inputs'),
  Clip: operator('1 6 11 12 13', clip, 'min max consumed_inputs'),
};
