/**
 * Values from little: Constant ConstantOfShape Range OneHot Cast CastLike.
 *
 * Versions: Constant has value alone until 10, sparse_value 11 (refused), value_float … value_strings since 12; Cast's
 * `to` is a name until 5 and a number since 6, strings since 9; OneHot takes negative indices since 11; Range has
 * stash_type since 27.
 */
import { type DType, dtypeOfOnnx, isFloat, isInteger } from '../../array/dtype.ts';
import type { Data, Value } from '../../array/value.ts';
import {
  bools,
  countOf,
  elements,
  emptyLike,
  indices,
  int64s,
  integers,
  numbers,
  only,
  roundTo,
} from '../value.ts';
import { toBigInt } from './arithmetic.ts';
import { type Kernel, type Operators, operator } from './kernel.ts';
import { linesAlong } from './strides.ts';

const constant: Kernel = ({ node }) => {
  for (const [name, attribute] of node.attributes) {
    if (name === 'value' && attribute.kind === 'tensor') return attribute.value;
    const single = [attribute.value].flat();
    const shape = name.endsWith('s') ? [single.length] : [];
    if (attribute.kind === 'float' || attribute.kind === 'floats') {
      return { dtype: 'float32', shape, data: Float32Array.from(single as number[]) };
    }
    if (attribute.kind === 'int' || attribute.kind === 'ints') return int64s(single as number[], shape);
    if (attribute.kind === 'string' || attribute.kind === 'strings') {
      return { dtype: 'string', shape, data: single as string[] };
    }
  }
  throw new Error('it has no value');
};

const constantOfShape: Kernel = (call) => {
  const shape = indices(call.input(0));
  const given = call.node.attributes.get('value');
  const value: Value =
    given?.kind === 'tensor' ? given.value : { dtype: 'float32', shape: [1], data: new Float32Array(1) };
  if (value.data.length !== 1)
    throw new Error(`attribute 'value' must have one element (= [${value.shape}])`);
  const data = emptyLike(value, countOf(shape));
  const [fill] = elements(value.data);
  // zeros are there already, and cost no memory until they are written
  if (!Object.is(fill, elements(data)[0])) elements(data).fill(fill);
  return { dtype: value.dtype, shape, data };
};

const range: Kernel = (call) => {
  const bounds = call.inputs(3);
  const { dtype } = bounds[0];
  const [start, limit, delta] = bounds.map(only);
  if (delta === 0) throw new Error('delta must not be 0');
  const size = countOf([Math.max(0, Math.ceil((limit - start) / delta))]);
  // since 27 the halves are counted in float32 unless stash_type says otherwise; products and sums round there
  const stashed = call.version >= 27 && dtype.endsWith('float16') && call.int('stash_type', 1) === 1;
  const at = (i: number): number =>
    stashed ? Math.fround(start + Math.fround(i * delta)) : start + i * delta;
  if (isInteger(dtype)) return integers(dtype, (i) => BigInt(at(i)), [size]);
  return call.floats(
    bounds[0],
    new Float64Array(size).map((_, i) => at(i)),
    [size],
  );
};

const oneHot: Kernel = (call) => {
  const [at, depthValue, values] = call.inputs(3);
  const depth = Math.trunc(only(depthValue));
  if (depth < 1) throw new Error(`depth must be positive (= ${depth})`);
  if (values.data.length !== 2) throw new Error('values must be [off, on]');
  const axis = call.axis(at.shape.length + 1, -1);
  const shape = at.shape.toSpliced(axis, 0, depth);
  const data = emptyLike(values, countOf(shape));
  const [off, on] = elements(values.data);
  const to = elements(data).fill(off);
  const lines = linesAlong(shape, axis);
  for (const [i, given] of Array.from(numbers(at)).entries()) {
    const index = Math.trunc(given);
    const k = call.version >= 11 && index < 0 ? index + depth : index;
    if (k >= 0 && k < depth) to[lines.at(i, k)] = on;
  }
  return { dtype: values.dtype, shape, data };
};

/**
 * x as another type. To a narrower float: rounded to nearest even, at either precision. Float to integer:
 * truncated; what does not fit is undefined in ONNX, here −2^63 wrapped, as on x86-64. To bool: not zero.
 */
function castTo(x: Value, to: DType): Value {
  if (x.dtype === to) return x;
  if (to === 'string') return { dtype: to, shape: x.shape, data: toStrings(x) };
  const data: Data = x.dtype === 'string' ? Float64Array.from(x.data as string[], parse) : x.data;
  const source: Value = x.dtype === 'string' ? { dtype: 'float64', shape: x.shape, data } : x;
  if (isFloat(to)) {
    const widening = isFloat(x.dtype) && (to === 'float64' || (to === 'float32' && x.dtype !== 'float64'));
    if (widening && data instanceof Float64Array) return { dtype: to, shape: x.shape, data };
    return { dtype: to, shape: x.shape, data: roundTo(to, new Float64Array(numbers(source))) };
  }
  const from = elements(data);
  if (to === 'bool') {
    const set = new Uint8Array(data.length).map((_, i) => Number(Boolean(from[i]) || Number.isNaN(from[i])));
    return bools(set, x.shape);
  }
  return integers(to, isFloat(source.dtype) ? (i) => toBigInt(from[i]) : (i) => BigInt(from[i]), x.shape);
}

function parse(word: string): number {
  const lower = word.trim().toLowerCase();
  if (/^[+-]?inf(inity)?$/.test(lower)) return lower.startsWith('-') ? -Infinity : Infinity;
  if (lower === 'nan') return Number.NaN;
  const value = Number(lower);
  if (lower === '' || Number.isNaN(value)) throw new Error(`'${word}' is not a number`);
  return value;
}

/** Integers in decimal, float32 as the shortest decimal that reads back, NaN and INF as ONNX writes them. */
function toStrings(x: Value): string[] {
  if (!isFloat(x.dtype)) return Array.from(elements(x.data), String);
  return Array.from(numbers(x), (v) => {
    if (Number.isNaN(v)) return 'NaN';
    if (!Number.isFinite(v)) return v < 0 ? '-INF' : 'INF';
    if (x.dtype === 'float64') return String(v);
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(v.toPrecision(digits));
      if (Math.fround(short) === Math.fround(v)) return String(short);
    }
    return String(Number(v.toPrecision(9)));
  });
}

const cast: Kernel = (call) => {
  const to = dtypeOfOnnx(call.int('to'));
  if (!to) throw new Error(`Cast to type ${call.int('to')} is not supported`);
  return castTo(call.input(0), to);
};

const castLike: Kernel = (call) => castTo(call.input(0), call.input(1).dtype);

export const operators: Operators = {
  Constant: operator(
    '1 9 11 12 13 19 21 23 24 25',
    constant,
    'value value_float value_floats value_int value_ints value_string value_strings',
  ),
  ConstantOfShape: operator('9 20 21 23 24 25', constantOfShape, 'value'),
  Range: operator('11 27', range, 'stash_type'),
  OneHot: operator('9 11', oneHot, 'axis'),
  Cast: operator('1 6 9 13 19 21 23 24 25', cast, 'to saturate round_mode'),
  CastLike: operator('15 19 21 23 24 25', castLike, 'saturate round_mode'),
};
