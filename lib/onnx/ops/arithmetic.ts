/**
 * Arithmetic on two or more operands, broadcast: Add Sub Mul Div Pow, and Sum Mean Max Min of any number.
 *
 * Floating point is computed in float64 and rounded once. Integers are computed exactly and wrap, as in C; their
 * division truncates. NaN wins in Max and Min.
 * Versions: 7 numpy's broadcasting (Sum Mean Max Min: 8; before, equal shapes); 12 (Max Min Pow), 13, 14 more types.
 */
import * as math from '../../../reference/math.ts';
import { type DType, isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { bigints, floats, integers, larger, numbers, smaller } from '../value.ts';
import { broadcastIndex, broadcastShape, legacyOperand } from './broadcast.ts';
import { type Context, type Kernel, type Operators, operator, required, variadic } from './kernel.ts';

interface Rule {
  readonly float: (a: number, b: number) => number;
  readonly integer: (a: bigint, b: bigint) => bigint;
}

const rules = {
  add: { float: (a, b) => a + b, integer: (a, b) => a + b },
  sub: { float: (a, b) => a - b, integer: (a, b) => a - b },
  mul: { float: (a, b) => a * b, integer: (a, b) => a * b },
  div: { float: (a, b) => a / b, integer: divide },
  max: { float: Math.max, integer: larger },
  min: { float: Math.min, integer: smaller },
} satisfies Record<string, Rule>;

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

/** rule(a, b), broadcast. Both operands must have the same numeric type. */
export function combine(a: Value, b: Value, rule: Rule, { precision }: Pick<Context, 'precision'>): Value {
  if (a.dtype !== b.dtype) throw new Error(`operands must have one type (= ${a.dtype} and ${b.dtype})`);
  const shape = broadcastShape([a.shape, b.shape]);
  const [ia, ib] = [broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)];
  const { dtype } = a;
  if (isFloat(dtype)) {
    const [A, B] = [numbers(a), numbers(b)];
    const Y = new Float64Array(ia.length);
    for (let i = 0; i < Y.length; i++) Y[i] = rule.float(A[ia[i]], B[ib[i]]);
    return floats(dtype, Y, shape, precision);
  }
  if (!isInteger(dtype)) throw new Error(`numeric operands are needed (dtype = ${dtype})`);
  const [A, B] = [bigints(a), bigints(b)];
  return integers(
    dtype,
    Array.from(ia, (at, i) => rule.integer(A[at], B[ib[i]])),
    shape,
  );
}

const pair =
  (rule: Rule): Kernel =>
  (inputs, context) => {
    const [a, b] = [required(inputs, 0), required(inputs, 1)];
    const second = context.version < 7 ? legacyOperand(a, b, context.node) : b;
    return [combine(a, second, rule, context)];
  };

/** Pow: the result has the base's type; the exponent may have another since opset 12. */
const pow: Kernel = (inputs, context) => {
  const a = required(inputs, 0);
  const b = context.version < 7 ? legacyOperand(a, required(inputs, 1), context.node) : required(inputs, 1);
  const shape = broadcastShape([a.shape, b.shape]);
  const [ia, ib] = [broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)];
  const { dtype } = a;
  if (isInteger(dtype) && isInteger(b.dtype)) {
    const [A, B] = [bigints(a), bigints(b)];
    return [
      integers(
        dtype,
        Array.from(ia, (at, i) => integerPower(A[at], B[ib[i]])),
        shape,
      ),
    ];
  }
  const [A, B] = [numbers(a), numbers(b)];
  const Y = Float64Array.from(ia, (at, i) => power(A[at], B[ib[i]]));
  if (isFloat(dtype)) return [floats(dtype, Y, shape, context.precision)];
  if (!isInteger(dtype)) throw new Error(`numeric operands are needed (dtype = ${dtype})`);
  return [
    integers(
      dtype,
      Array.from(Y, (y) => toBigInt(y)),
      shape,
    ),
  ];
};

/** Truncated to a 64-bit integer; what is none (NaN, too far) becomes −2^63, as on x86-64. */
export const toBigInt = (x: number): bigint => (Math.abs(x) < 2 ** 63 ? BigInt(Math.trunc(x)) : -(1n << 63n));

/** Modulo 2^64, so that a large exponent costs no memory; wraps to the result's type as C's loop would. */
function integerPower(base: bigint, exponent: bigint): bigint {
  if (exponent < 0n) {
    if (base === 0n) throw new Error('integer division by zero (0 to a negative power)');
    return base === 1n ? 1n : base === -1n ? (exponent % 2n === 0n ? 1n : -1n) : 0n;
  }
  let result = 1n;
  for (
    let factor = base, rest = exponent;
    rest > 0n;
    rest >>= 1n, factor = BigInt.asIntN(64, factor * factor)
  )
    if (rest & 1n) result = BigInt.asIntN(64, result * factor);
  return result;
}

const fold =
  (rule: Rule): Kernel =>
  (inputs, context) => {
    const values = variadic(inputs);
    checkShapes(values, context);
    return [foldAll(values, rule, context)];
  };

function checkShapes(values: readonly Value[], { version }: Context): void {
  if (version < 8 && values.some(({ shape }) => shape.join() !== values[0].shape.join()))
    throw new Error('all inputs must have one shape before opset 8');
}

/** Without rounding in between: float64 until the end. */
function foldAll(values: readonly Value[], rule: Rule, { precision }: Context): Value {
  const [first] = values;
  const { dtype } = first;
  if (!isFloat(dtype)) return values.reduce((sum, value) => combine(sum, value, rule, { precision }));
  const sum = values.reduce((a, b) => combine(a, b, rule, { precision: 'float64' }));
  return floats(dtype, sum.data as Float64Array, sum.shape, precision);
}

const mean: Kernel = (inputs, context) => {
  const values = variadic(inputs);
  checkShapes(values, context);
  const dtype: DType = values[0].dtype;
  if (!isFloat(dtype)) throw new Error(`floating-point operands are needed (dtype = ${dtype})`);
  const sum = foldAll(values, rules.add, { ...context, precision: 'float64' });
  const Y = Float64Array.from(numbers(sum), (y) => y / values.length);
  return [floats(dtype, Y, sum.shape, context.precision)];
};

export const operators: Operators = {
  Add: operator('1 6 7 13 14', pair(rules.add), 'axis broadcast consumed_inputs'),
  Sub: operator('1 6 7 13 14', pair(rules.sub), 'axis broadcast consumed_inputs'),
  Mul: operator('1 6 7 13 14', pair(rules.mul), 'axis broadcast consumed_inputs'),
  Div: operator('1 6 7 13 14', pair(rules.div), 'axis broadcast consumed_inputs'),
  Pow: operator('1 7 12 13 15', pow, 'axis broadcast'),
  Sum: operator('1 6 8 13', fold(rules.add), 'consumed_inputs'),
  Max: operator('1 6 8 12 13', fold(rules.max), 'consumed_inputs'),
  Min: operator('1 6 8 12 13', fold(rules.min), 'consumed_inputs'),
  Mean: operator('1 6 8 13', mean, 'consumed_inputs'),
};
