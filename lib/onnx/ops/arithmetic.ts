/**
 * Arithmetic on two or more operands, broadcast: Add Sub Mul Div Pow, and Sum Mean Max Min of any number.
 *
 * Floating point is computed in float64 and rounded once. Integers are computed exactly and wrap, as in C; their
 * division truncates. NaN wins in Max and Min.
 * Versions: 7 numpy's broadcasting (Sum Mean Max Min: 8; before, equal shapes); 12 (Max Min Pow), 13, 14 more types.
 */
import * as math from '../../../reference/math.ts';
import type { Precision } from '../../../reference/tensor.ts';
import { type FloatDType, isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { bigints, floatData, floats, integers, larger, numbers, smaller } from '../value.ts';
import { checkOneType, type Kernel, type Operators, operator, operatorsOf } from './kernel.ts';
import { broadcast, operandsOf } from './strides.ts';

interface Rule {
  readonly float: (a: number, b: number) => number;
  readonly integer: (a: bigint, b: bigint) => bigint;
}

const add: Rule = { float: (a, b) => a + b, integer: (a, b) => a + b };

function divide(a: bigint, b: bigint): bigint {
  if (b === 0n) throw new Error('integer division by zero');
  return a / b;
}

/** base^exponent: whole exponents by squaring, halves and quarters by square roots, others e^(y·ln x). */
export function power(base: number, exponent: number): number {
  if (exponent === 0 || base === 1) return 1;
  if (Number.isNaN(exponent)) return Number.NaN;
  if (exponent < 0) return 1 / power(base, -exponent);
  if (Number.isInteger(exponent) && exponent <= 1024) return wholePower(base, exponent);
  if (exponent === 0.5 && base >= 0) return Math.sqrt(base) + 0;
  if (exponent === 0.25 && base >= 0) return Math.sqrt(Math.sqrt(base)) + 0;
  if (exponent === 0.75 && base >= 0) return Math.sqrt(base) * Math.sqrt(Math.sqrt(base)) + 0;
  if (exponent === Infinity) return Math.abs(base) === 1 ? 1 : Math.abs(base) > 1 ? Infinity : 0;
  if (base < 0) {
    if (!Number.isInteger(exponent)) return base === -Infinity ? Infinity : Number.NaN;
    return (exponent % 2 === 0 ? 1 : -1) * power(-base, exponent);
  }
  if (base === 0 || base === Infinity) return base;
  return math.exp(exponent * math.log(base));
}

function wholePower(base: number, exponent: number): number {
  let result = 1;
  for (let factor = base, rest = exponent; rest > 0; rest = Math.floor(rest / 2), factor *= factor) {
    if (rest % 2 === 1) result *= factor;
  }
  return result;
}

/** Modulo 2^64, so that a large exponent costs no memory; wraps to the result's type as C's loop would. */
function integerPower(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) {
    if (base === 0n) throw new Error('integer division by zero (0 to a negative power)');
    return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
  }
  let result = 1n;
  for (let factor = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = BigInt.asIntN(64, result * factor);
    factor = BigInt.asIntN(64, factor * factor);
  }
  return result;
}

/** Truncated to a 64-bit integer; what is none (NaN, too far) becomes −2^63, as on x86-64. */
export const toBigInt = (x: number): bigint => (Math.abs(x) < 2 ** 63 ? BigInt(Math.trunc(x)) : -(1n << 63n));

/** rule(a, b), broadcast. Both operands must have the same numeric type. */
function combine(a: Value, b: Value, rule: Rule, precision: Precision): Value {
  checkOneType([a, b]);
  const { shape, at } = broadcast([a, b]);
  const [ia, ib] = at;
  if (isInteger(a.dtype)) {
    const [A, B] = [bigints(a), bigints(b)];
    return integers(a.dtype, (i) => rule.integer(A[ia[i]], B[ib[i]]), shape);
  }
  const [A, B] = [floatData(a), floatData(b)];
  const Y = new Float64Array(ia.length);
  for (let i = 0; i < Y.length; i++) Y[i] = rule.float(A[ia[i]], B[ib[i]]);
  return floats(a.dtype as FloatDType, Y, shape, precision);
}

const pair =
  (rule: Rule): Kernel =>
  (call) =>
    combine(...operandsOf(call), rule, call.precision);

/** Pow: the result has the base's type; the exponent may have another since opset 12. */
const pow: Kernel = (call) => {
  const [a, b] = operandsOf(call);
  const { shape, at } = broadcast([a, b]);
  const [ia, ib] = at;
  if (isInteger(a.dtype) && isInteger(b.dtype)) {
    const [A, B] = [bigints(a), bigints(b)];
    return integers(a.dtype, (i) => integerPower(A[ia[i]], B[ib[i]]), shape);
  }
  const [A, B] = [numbers(a), numbers(b)];
  const Y = new Float64Array(ia).map((i, to) => power(A[i], B[ib[to]]));
  return isInteger(a.dtype) ? integers(a.dtype, (i) => toBigInt(Y[i]), shape) : call.floats(a, Y, shape);
};

/** The rule over all inputs, without rounding in between: float64 until `last`, which Mean alone has. */
const fold =
  (rule: Rule, last?: (sum: number, count: number) => number): Kernel =>
  (call) => {
    const values = call.inputs();
    const [first] = values;
    if (call.version < 8 && values.some(({ shape }) => shape.join() !== first.shape.join())) {
      throw new Error('all inputs must have one shape before opset 8');
    }
    const all = values.reduce((a, b) => combine(a, b, rule, 'float64'));
    if (!last && !isFloat(first.dtype)) return all;
    const Y = floatData(all);
    return call.floats(first, last ? new Float64Array(Y).map((y) => last(y, values.length)) : Y, all.shape);
  };

const old = 'axis broadcast consumed_inputs';

const pairs: Record<string, Rule> = {
  Add: add,
  Sub: { float: (a, b) => a - b, integer: (a, b) => a - b },
  Mul: { float: (a, b) => a * b, integer: (a, b) => a * b },
  Div: { float: (a, b) => a / b, integer: divide },
};
const extremes: Record<string, Rule> = {
  Max: { float: Math.max, integer: larger },
  Min: { float: Math.min, integer: smaller },
};
const mean = fold(add, (sum, count) => sum / count);

export const operators: Operators = {
  ...operatorsOf('1 6 7 13 14', old, pairs, pair),
  ...operatorsOf('1 6 8 12 13', 'consumed_inputs', extremes, (rule) => fold(rule)),
  Pow: operator('1 7 12 13 15', pow, 'axis broadcast'),
  Sum: operator('1 6 8 13', fold(add), 'consumed_inputs'),
  Mean: operator('1 6 8 13', mean, 'consumed_inputs'),
};
