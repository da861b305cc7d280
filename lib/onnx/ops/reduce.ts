/**
 * Reductions: ReduceSum ReduceMean ReduceMax ReduceMin ReduceSumSquare ReduceL2, and ArgMax.
 *
 * Sums run in float64, ascending. Of nothing: sum 0, mean NaN, maximum −∞ (an integer type's lowest), minimum ∞.
 * Versions: axes are an attribute until 17 and an input since 18 (ReduceSum: since 13), with noop_with_empty_axes;
 * negative since 11. Max and Min take 8-bit integers since 12, bool since 20. ArgMax: select_last_index since
 * 12; NaN is the maximum, as in numpy.
 */

import { type FloatDType, type IntegerDType, isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import {
  bigints,
  countOf,
  elements,
  floats,
  indices,
  int64s,
  integers,
  larger,
  numbers,
  rangeOf,
  smaller,
} from '../value.ts';
import {
  axesOf,
  axisOf,
  type Context,
  type Inputs,
  int,
  ints,
  type Kernel,
  type Operators,
  operator,
  required,
} from './kernel.ts';

interface Rule {
  readonly first: number;
  readonly step: (sum: number, v: number) => number;
  readonly last?: (sum: number, count: number) => number;
  readonly exactFirst: (dtype: IntegerDType) => bigint;
  readonly exactStep: (sum: bigint, v: bigint) => bigint;
  readonly exactLast?: (sum: bigint, count: bigint) => bigint;
}

const sum: Rule = {
  first: 0,
  step: (total, v) => total + v,
  exactFirst: () => 0n,
  exactStep: (total, v) => total + v,
};

const squares: Rule = { ...sum, step: (total, v) => total + v * v, exactStep: (total, v) => total + v * v };

const rules = {
  sum,
  squares,
  mean: {
    ...sum,
    last: (total, count) => total / count,
    exactLast: (total, count) => (count === 0n ? 0n : total / count),
  },
  norm: { ...squares, last: Math.sqrt, exactLast: (total) => BigInt(Math.trunc(Math.sqrt(Number(total)))) },
  max: {
    first: -Infinity,
    step: Math.max,
    exactFirst: (dtype) => rangeOf(dtype)[0],
    exactStep: larger,
  },
  min: {
    first: Infinity,
    step: Math.min,
    exactFirst: (dtype) => rangeOf(dtype)[1],
    exactStep: smaller,
  },
} satisfies Record<string, Rule>;

/** The axes to reduce, or null where the value is to be left as it is. */
function axesGiven(
  inputs: Inputs,
  { node, version }: Context,
  inputSince: number,
  rank: number,
): number[] | null {
  const given = version < inputSince ? ints(node, 'axes') : inputs[1] && indices(inputs[1]);
  if (given && given.length > 0) return axesOf(given, rank);
  if (version >= inputSince && int(node, 'noop_with_empty_axes', 0) !== 0) return null;
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** For every element of a value of `shape` the flat index of the result that it goes into. */
function targets(shape: readonly number[], axes: readonly number[]): Int32Array {
  const kept = shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const index = new Int32Array(countOf(shape));
  const at = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < index.length; i++) {
    let target = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      if (kept[axis] !== 1) target = target * kept[axis] + at[axis];
    }
    index[i] = target;
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return index;
}

const reduce =
  (rule: Rule, inputSince: number): Kernel =>
  (inputs, context) => {
    const x = required(inputs, 0);
    const axes = axesGiven(inputs, context, inputSince, x.shape.length);
    const shape = x.shape.map((extent, axis) => (axes?.includes(axis) ? 1 : extent));
    const into = targets(x.shape, axes ?? []);
    const size = countOf(shape);
    const count = (axes ?? []).reduce((product, axis) => product * x.shape[axis], 1);
    const keep = int(context.node, 'keepdims', 1) !== 0;
    const result = keep ? shape : shape.filter((_, axis) => !axes?.includes(axis));
    if (isFloat(x.dtype)) return [reduceFloats(x, rule, into, size, count, result, context)];
    return [reduceIntegers(x, rule, into, size, count, result)];
  };

function reduceFloats(
  x: Value,
  rule: Rule,
  into: Int32Array,
  size: number,
  count: number,
  shape: readonly number[],
  { precision }: Context,
): Value {
  const X = numbers(x);
  const Y = new Float64Array(size).fill(rule.first);
  for (let i = 0; i < into.length; i++) Y[into[i]] = rule.step(Y[into[i]], X[i]);
  const y = rule.last ? Y.map((v) => rule.last!(v, count)) : Y;
  return floats(x.dtype as FloatDType, y, shape, precision);
}

function reduceIntegers(
  x: Value,
  rule: Rule,
  into: Int32Array,
  size: number,
  count: number,
  shape: readonly number[],
): Value {
  const dtype: IntegerDType = isInteger(x.dtype) ? x.dtype : 'uint8';
  const X = bigints(x);
  const first = x.dtype === 'bool' ? (rule.exactFirst('uint8') === 0n ? 0n : 1n) : rule.exactFirst(dtype);
  const Y = new Array<bigint>(size).fill(first);
  for (let i = 0; i < into.length; i++) Y[into[i]] = rule.exactStep(Y[into[i]], X[i]);
  const y = rule.exactLast ? Y.map((v) => rule.exactLast!(v, BigInt(count))) : Y;
  return { ...integers(dtype, y, shape), dtype: x.dtype };
}

const argMax: Kernel = (inputs, { node }) => {
  const x = required(inputs, 0);
  const axis = axisOf(int(node, 'axis', 0), x.shape.length);
  const last = int(node, 'select_last_index', 0) !== 0;
  const X = elements(x.data);
  const [extent, inner] = [x.shape[axis], countOf(x.shape.slice(axis + 1))];
  if (extent === 0) throw new Error(`axis ${axis} of [${x.shape}] is empty`);
  const outer = countOf(x.shape.slice(0, axis));
  const best = Array.from({ length: outer * inner }, (_, i) => {
    const start = Math.floor(i / inner) * extent * inner + (i % inner);
    let winner = 0;
    for (let k = 1; k < extent; k++) {
      const [v, top] = [X[start + k * inner], X[start + winner * inner]];
      if (
        v > top ||
        (Number.isNaN(v) && !Number.isNaN(top)) ||
        (last && (v === top || (Number.isNaN(v) && Number.isNaN(top))))
      )
        winner = k;
    }
    return winner;
  });
  const keep = int(node, 'keepdims', 1) !== 0;
  return [int64s(best, keep ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1))];
};

const attributes = 'axes keepdims noop_with_empty_axes';

export const operators: Operators = {
  ReduceSum: operator('1 11 13', reduce(rules.sum, 13), attributes),
  ReduceMean: operator('1 11 13 18', reduce(rules.mean, 18), attributes),
  ReduceMax: operator('1 11 12 13 18 20', reduce(rules.max, 18), attributes),
  ReduceMin: operator('1 11 12 13 18 20', reduce(rules.min, 18), attributes),
  ReduceSumSquare: operator('1 11 13 18', reduce(rules.squares, 18), attributes),
  ReduceL2: operator('1 11 13 18', reduce(rules.norm, 18), attributes),
  ArgMax: operator('1 11 12 13', argMax, 'axis keepdims select_last_index'),
};
