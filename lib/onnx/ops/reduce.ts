/**
 * Reductions: ReduceSum ReduceMean ReduceMax ReduceMin ReduceSumSquare ReduceL2, and along one axis ArgMax and TopK.
 *
 * Sums run in float64, ascending. Of nothing: sum 0, mean NaN, maximum −∞ (an integer type's lowest), minimum ∞.
 * TopK is sorted; of equals the lower index comes first. NaN is the largest number, as in numpy.
 * Versions: axes are an attribute until 17 and an input since 18 (ReduceSum: since 13), with noop_with_empty_axes;
 * negative since 11. Max and Min take 8-bit integers since 12, bool since 20. ArgMax: select_last_index since 12.
 * TopK: k is an attribute until 9 and an input since 10; `largest` and `sorted` since 11; 24 bfloat16.
 */
import { isFloat, isInteger } from '../../array/dtype.ts';
import {
  bigints,
  countOf,
  elements,
  emptyLike,
  floatData,
  indices,
  int64s,
  integers,
  larger,
  rangeOf,
  smaller,
} from '../value.ts';
import { axesOf, type Call, type Kernel, type Operators, operator } from './kernel.ts';
import { around, linesAlong, stepsOf, strided } from './strides.ts';

/** Of floating-point values, and exactly of integers, whose extremes are those of their type. */
interface Rule {
  readonly first: number;
  readonly step: (sum: number, v: number) => number;
  readonly last?: (sum: number, count: number) => number;
  readonly exactFirst: (range: readonly [bigint, bigint]) => bigint;
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
const mean: Rule = {
  ...sum,
  last: (total, count) => total / count,
  exactLast: (total, count) => (count === 0n ? 0n : total / count),
};
const norm: Rule = {
  ...squares,
  last: Math.sqrt,
  exactLast: (total) => BigInt(Math.trunc(Math.sqrt(Number(total)))),
};
const max: Rule = { first: -Infinity, step: Math.max, exactFirst: ([low]) => low, exactStep: larger };
const min: Rule = { first: Infinity, step: Math.min, exactFirst: ([, high]) => high, exactStep: smaller };

/** The axes to reduce: none where the value is to be left as it is. */
function axesGiven(call: Call, inputSince: number, rank: number): number[] {
  const given = call.list('axes', 1, inputSince);
  if (given && given.length > 0) return axesOf(given, rank);
  if (call.version >= inputSince && call.flag('noop_with_empty_axes')) return [];
  return Array.from({ length: rank }, (_, axis) => axis);
}

const reduce =
  (rule: Rule, inputSince: number): Kernel =>
  (call) => {
    const x = call.input(0);
    const axes = axesGiven(call, inputSince, x.shape.length);
    const shape = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const steps = stepsOf(shape).map((step, axis) => (axes.includes(axis) ? 0 : step));
    // for every element the result that it goes into
    const into = strided(x.shape, steps);
    const size = countOf(shape);
    const count = axes.reduce((product, axis) => product * x.shape[axis], 1);
    const result = call.flag('keepdims', true) ? shape : shape.filter((_, axis) => !axes.includes(axis));
    if (isFloat(x.dtype)) {
      const X = floatData(x);
      const Y = new Float64Array(size).fill(rule.first);
      for (let i = 0; i < into.length; i++) Y[into[i]] = rule.step(Y[into[i]], X[i]);
      const { last } = rule;
      return call.floats(x, last ? Y.map((v) => last(v, count)) : Y, result);
    }
    const X = bigints(x);
    const dtype = isInteger(x.dtype) ? x.dtype : 'uint8';
    const first = rule.exactFirst(x.dtype === 'bool' ? [0n, 1n] : rangeOf(dtype));
    const Y = new Array<bigint>(size).fill(first);
    for (let i = 0; i < into.length; i++) Y[into[i]] = rule.exactStep(Y[into[i]], X[i]);
    const { exactLast } = rule;
    const exact = (i: number): bigint => (exactLast ? exactLast(Y[i], BigInt(count)) : Y[i]);
    return { ...integers(dtype, exact, result), dtype: x.dtype };
  };

/** Descending, NaN first; bigints compare by the same JavaScript operators. */
function descending(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a));
  return Number(b > a) - Number(a > b);
}

const argMax: Kernel = (call) => {
  const x = call.input(0);
  const axis = call.axis(x.shape.length, 0);
  const last = call.flag('select_last_index');
  const X = elements(x.data);
  const { count, extent, at } = linesAlong(x.shape, axis);
  if (extent === 0) throw new Error(`axis ${axis} of [${x.shape}] is empty`);
  const best = Array.from({ length: count }, (_, line) => {
    let winner = 0;
    for (let k = 1; k < extent; k++) {
      const order = descending(X[at(line, k)], X[at(line, winner)]);
      if (order < 0 || (last && order === 0)) winner = k;
    }
    return winner;
  });
  const keep = call.flag('keepdims', true);
  return int64s(best, keep ? x.shape.with(axis, 1) : x.shape.toSpliced(axis, 1));
};

const topK: Kernel = (call) => {
  const x = call.input(0);
  const axis = call.axis(x.shape.length, -1);
  const k = call.version < 10 ? call.int('k') : indices(call.input(1))[0];
  const { extent } = around(x.shape, axis);
  if (!(k >= 0 && k <= extent)) throw new Error(`k must be from 0 to ${extent} (= ${k})`);
  const sign = call.flag('largest', true) ? 1 : -1;
  const shape = x.shape.with(axis, k);
  const data = emptyLike(x, countOf(shape));
  const [X, Y] = [elements(x.data), elements(data)];
  const winners = new Array<number>(Y.length).fill(0);
  const from = linesAlong(x.shape, axis);
  const to = linesAlong(shape, axis);
  for (let line = 0; line < from.count; line++) {
    const order = (a: number, b: number): number =>
      sign * descending(X[from.at(line, a)], X[from.at(line, b)]) || a - b;
    const sorted = Array.from({ length: extent }, (_, i) => i).sort(order);
    for (let i = 0; i < k; i++) {
      Y[to.at(line, i)] = X[from.at(line, sorted[i])];
      winners[to.at(line, i)] = sorted[i];
    }
  }
  return [{ dtype: x.dtype, shape, data }, int64s(winners, shape)];
};

const attributes = 'axes keepdims noop_with_empty_axes';

export const operators: Operators = {
  ReduceSum: operator('1 11 13', reduce(sum, 13), attributes),
  ReduceMean: operator('1 11 13 18', reduce(mean, 18), attributes),
  ReduceMax: operator('1 11 12 13 18 20', reduce(max, 18), attributes),
  ReduceMin: operator('1 11 12 13 18 20', reduce(min, 18), attributes),
  ReduceSumSquare: operator('1 11 13 18', reduce(squares, 18), attributes),
  ReduceL2: operator('1 11 13 18', reduce(norm, 18), attributes),
  ArgMax: operator('1 11 12 13', argMax, 'axis keepdims select_last_index'),
  TopK: operator('1 10 11 24', topK, 'axis k largest sorted'),
};
