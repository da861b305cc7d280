/**
 * MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool, any number of spatial dimensions.
 *
 * Two undilated spatial dimensions of floating-point values are reference/ops/maxpool.ts and avgpool.ts; the
 * rest are the plain loops below, with the same rules: padding acts as −∞, NaN wins, the first maximum is the winner.
 * Versions: MaxPool 8 Indices and storage_order, 10 ceil_mode and dilations, 12 8-bit integers, 22 bfloat16.
 * AveragePool 7 count_include_pad, 10 ceil_mode, 19 dilations. With count_include_pad a window that ceil_mode
 * cuts off is divided by what lies inside the padded input; opset 19 says so, earlier ones are silent.
 */
import type { Attributes } from '../../../reference/ops/maxpool.ts';
import type { Shape } from '../../../reference/tensor.ts';
import { type FloatDType, isFloat } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import {
  asTensor,
  countOf,
  elements,
  emptyLike,
  floatData,
  floats,
  int64s,
  numbers,
  workingPrecision,
} from '../value.ts';
import {
  type Context,
  int,
  type Kernel,
  type Operators,
  operator,
  required,
  requiredInts,
} from './kernel.ts';
import { forEachTap, type Geometry, geometry, outputExtents, unravel } from './spatial.ts';

interface Pool {
  readonly g: Geometry;
  readonly extents: Shape;
  readonly ceil: boolean;
  /** Of the result. */
  readonly shape: Shape;
}

function poolOf(x: Value, { node }: Context): Pool {
  if (x.shape.length < 3) throw new Error(`x must have 3 dimensions or more (shape = [${x.shape}])`);
  const extents = x.shape.slice(2);
  const g = geometry(node, extents, requiredInts(node, 'kernel_shape'));
  const ceil = int(node, 'ceil_mode', 0) !== 0;
  const shape = [x.shape[0], x.shape[1], ...outputExtents(extents, g, ceil)];
  countOf(shape);
  return { g, extents, ceil, shape };
}

/** Whether the reference's pools cover it; they refuse a pad as large as the kernel, which can leave windows empty. */
const inReference = (x: Value, { g }: Pool): boolean =>
  isFloat(x.dtype) &&
  x.shape.length === 4 &&
  g.dilations.every((d) => d === 1) &&
  [...g.begin, ...g.end].every((pad, i) => pad < g.kernel[i % 2]);

const windowOf = ({ g, ceil }: Pool): Attributes => ({
  kernel: [g.kernel[0], g.kernel[1]],
  stride: [g.strides[0], g.strides[1]],
  pad: [g.begin[0], g.begin[1], g.end[0], g.end[1]],
  rounding: ceil ? 'onnx' : 'floor',
});

const maxPool: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const pool = poolOf(x, context);
  const { node, precision } = context;
  let values: Value;
  let winner: Int32Array;
  if (inReference(x, pool)) {
    const y = ops.maxpool.forward([asTensor(x)], windowOf(pool), workingPrecision(x.dtype, precision));
    values = floats(x.dtype as FloatDType, y.data, pool.shape, precision);
    if (node.outputs.length < 2) return [values];
    winner = ops.maxpool.winners(asTensor(x), windowOf(pool));
  } else {
    winner = winners(x, pool);
    values = pick(x, winner, pool.shape);
  }
  if (node.outputs.length < 2) return [values];
  const column = int(node, 'storage_order', 0) === 1;
  const flat = Array.from(winner, (at) => (column ? columnMajor(at, pool.extents) : at));
  return [values, int64s(flat, pool.shape)];
};

/** Flat index in x of each window's first maximum, −1 for an empty window. */
function winners(x: Value, { g, extents, shape }: Pool): Int32Array {
  const X = numbers(x);
  const winner = new Int32Array(countOf(shape)).fill(-1);
  const positions = shape.slice(2);
  const [inputSize, mapSize] = [extents, positions].map(countOf);
  for (let p = 0; p < mapSize; p++) {
    const taps: number[] = [];
    forEachTap(unravel(p, positions), extents, g, (_, input) => taps.push(input));
    for (let map = 0; map < shape[0] * shape[1]; map++) {
      let at = -1;
      for (const tap of taps) {
        const i = map * inputSize + tap;
        if (at < 0 || X[i] > X[at] || (Number.isNaN(X[i]) && !Number.isNaN(X[at]))) at = i;
      }
      winner[map * mapSize + p] = at;
    }
  }
  return winner;
}

/** x at the winners; an empty window has the type's lowest value. */
function pick(x: Value, winner: Int32Array, shape: Shape): Value {
  const data = emptyLike(x, winner.length);
  const [from, to] = [elements(x.data), elements(data)];
  const lowest = isFloat(x.dtype) ? -Infinity : x.dtype === 'int8' ? -128 : 0;
  for (let i = 0; i < winner.length; i++) to[i] = winner[i] < 0 ? lowest : from[winner[i]];
  return { dtype: x.dtype, shape, data };
}

/** storage_order = 1: the index inside a map counts the first spatial axis fastest. */
function columnMajor(at: number, extents: Shape): number {
  const size = countOf(extents);
  const position = unravel(at % size, extents);
  const column = position.reduceRight((index, p, axis) => index * extents[axis] + p, 0);
  return Math.floor(at / size) * size + column;
}

const averagePool: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const pool = poolOf(x, context);
  const { node, precision } = context;
  const padded = int(node, 'count_include_pad', 0) !== 0;
  const working = workingPrecision(x.dtype, precision);
  const y = inReference(x, pool)
    ? ops.avgpool.forward([asTensor(x)], { ...windowOf(pool), divisor: padded ? 'caffe' : 'valid' }, working)
        .data
    : averages(x, pool, padded);
  return [floats(x.dtype as FloatDType, y, pool.shape, precision)];
};

function averages(x: Value, { g, extents, shape }: Pool, padded: boolean): Float64Array {
  const X = floatData(x);
  const Y = new Float64Array(countOf(shape));
  const positions = shape.slice(2);
  const [inputSize, mapSize] = [extents, positions].map(countOf);
  for (let p = 0; p < mapSize; p++) {
    const taps: number[] = [];
    const position = unravel(p, positions);
    forEachTap(position, extents, g, (_, input) => taps.push(input));
    const divisor = padded ? tapsInPadded(position, extents, g) : taps.length;
    for (let map = 0; map < shape[0] * shape[1]; map++) {
      let sum = 0;
      for (const tap of taps) sum += X[map * inputSize + tap];
      Y[map * mapSize + p] = sum / divisor;
    }
  }
  return Y;
}

/** Taps of the window that lie inside the padded input. */
function tapsInPadded(position: readonly number[], extents: Shape, g: Geometry): number {
  return extents.reduce((product, extent, axis) => {
    const room = extent + g.end[axis] + g.begin[axis] - position[axis] * g.strides[axis];
    return product * Math.min(g.kernel[axis], Math.ceil(room / g.dilations[axis]));
  }, 1);
}

/** One window over all of a map. */
const whole =
  (reduce: (X: ArrayLike<number>, from: number, to: number) => number): Kernel =>
  (inputs, { precision }) => {
    const x = required(inputs, 0);
    const X = floatData(x);
    const [N, C, ...extents] = x.shape;
    const size = countOf(extents);
    const Y = new Float64Array(countOf([N, C])).map((_, map) => reduce(X, map * size, (map + 1) * size));
    return [floats(x.dtype as FloatDType, Y, [N, C, ...extents.map(() => 1)], precision)];
  };

const sumOver = (X: ArrayLike<number>, from: number, to: number): number => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += X[i];
  return sum;
};

const maxOver = (X: ArrayLike<number>, from: number, to: number): number => {
  let best = -Infinity;
  for (let i = from; i < to; i++) if (X[i] > best || Number.isNaN(X[i])) best = X[i];
  return best;
};

const windowAttributes = 'auto_pad ceil_mode dilations kernel_shape pads strides';

export const operators: Operators = {
  MaxPool: operator('1 8 10 11 12 22', maxPool, `${windowAttributes} storage_order`),
  AveragePool: operator('1 7 10 11 19 22', averagePool, `${windowAttributes} count_include_pad`),
  GlobalMaxPool: operator('1 22', whole(maxOver)),
  GlobalAveragePool: operator(
    '1 22',
    whole((X, from, to) => sumOver(X, from, to) / (to - from)),
  ),
};
