/**
 * MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool and MaxUnpool, any number of spatial dimensions.
 *
 * Two undilated spatial dimensions of floating-point values are reference/ops/maxpool.ts and avgpool.ts; the
 * rest are the plain loops below, with the same rules: padding acts as −∞, NaN wins, the first maximum is the winner.
 * Versions: MaxPool 8 Indices and storage_order, 10 ceil_mode and dilations, 12 8-bit integers, 22 bfloat16.
 * AveragePool 7 count_include_pad, 10 ceil_mode, 19 dilations. With count_include_pad a window that ceil_mode
 * cuts off is divided by what lies inside the padded input; opset 19 says so, earlier ones are silent.
 *
 * MaxUnpool puts each pooled value back where MaxPool's Indices say, zeros elsewhere. The indices count in the shape
 * that the window implies, stride·(in − 1) + kernel − pads; a larger output_shape (third input) leaves zeros at the
 * end of each axis (onnx's own backend test; onnxruntime counts in the larger shape). Versions: 9, 11, 22 (bfloat16).
 */
import type { Attributes as Window } from '../../../reference/ops/maxpool.ts';
import type { Shape } from '../../../reference/tensor.ts';
import { isFloat } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, countOf, elements, emptyLike, floatData, indices, int64s, numbers } from '../value.ts';
import { type Attributes, type Kernel, type Operators, operator } from './kernel.ts';
import { type Geometry, geometry, outputExtents, padsOf, perAxis, tapsAt } from './spatial.ts';
import { ravel, unravel } from './strides.ts';

interface Pool {
  readonly g: Geometry;
  readonly extents: Shape;
  readonly ceil: boolean;
  /** Of the result. */
  readonly shape: Shape;
  /** Whether the reference covers it: it refuses a pad as large as the kernel, which can leave windows empty. */
  readonly inReference: boolean;
  /** As the reference has it, where it does. */
  readonly window: Window;
}

/** Throws for a value or attributes that are not a pool's. */
export function poolOf(x: Value, a: Attributes): Pool {
  if (x.shape.length < 3) throw new Error(`x must have 3 dimensions or more (shape = [${x.shape}])`);
  const extents = x.shape.slice(2);
  const g = geometry(a, extents, a.requiredInts('kernel_shape'));
  const ceil = a.flag('ceil_mode');
  const shape = [x.shape[0], x.shape[1], ...outputExtents(extents, g, ceil)];
  countOf(shape);
  const inReference =
    isFloat(x.dtype) &&
    x.shape.length === 4 &&
    g.dilations.every((d) => d === 1) &&
    [...g.begin, ...g.end].every((pad, i) => pad < g.kernel[i % 2]);
  const window: Window = {
    kernel: [g.kernel[0], g.kernel[1]],
    stride: [g.strides[0], g.strides[1]],
    pad: [g.begin[0], g.begin[1], g.end[0], g.end[1]],
    rounding: ceil ? 'onnx' : 'floor',
  };
  return { g, extents, ceil, shape, inReference, window };
}

/** Calls `visit` with every window: its place in the result, its position, and the elements of x that it covers. */
function forEachWindow(
  { g, extents, shape }: Pool,
  visit: (to: number, position: readonly number[], covered: readonly number[]) => void,
): void {
  const positions = shape.slice(2);
  const [inputSize, mapSize] = [extents, positions].map(countOf);
  for (let p = 0; p < mapSize; p++) {
    const position = unravel(p, positions);
    const taps = tapsAt(position, extents, g);
    for (let map = 0; map < shape[0] * shape[1]; map++) {
      const covered = taps.map(([, input]) => map * inputSize + input);
      visit(map * mapSize + p, position, covered);
    }
  }
}

const maxPool: Kernel = (call) => {
  const x = call.input(0);
  const pool = poolOf(x, call);
  const { shape, window, extents, inReference } = pool;
  const wanted = call.node.outputs.length > 1;
  if (inReference && !wanted) {
    return call.floats(x, ops.maxpool.forward([asTensor(x)], window, call.working(x)).data, shape);
  }
  const winner = inReference ? ops.maxpool.winners(asTensor(x), window) : winners(x, pool);
  const values = inReference
    ? call.floats(x, ops.maxpool.forward([asTensor(x)], window, call.working(x)).data, shape)
    : pick(x, winner, shape);
  if (!wanted) return values;
  const column = call.int('storage_order', 0) === 1;
  const flat = Array.from(winner, (at) => (column ? columnMajor(at, extents) : at));
  return [values, int64s(flat, shape)];
};

/** Flat index in x of each window's first maximum, −1 for an empty window. */
function winners(x: Value, pool: Pool): Int32Array {
  const X = numbers(x);
  const winner = new Int32Array(countOf(pool.shape)).fill(-1);
  forEachWindow(pool, (to, _, covered) => {
    let at = -1;
    for (const i of covered)
      if (at < 0 || X[i] > X[at] || (Number.isNaN(X[i]) && !Number.isNaN(X[at]))) at = i;
    winner[to] = at;
  });
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

const averagePool: Kernel = (call) => {
  const x = call.input(0);
  const pool = poolOf(x, call);
  const padded = call.flag('count_include_pad');
  if (!pool.inReference) return call.floats(x, averages(x, pool, padded), pool.shape);
  const attributes = { ...pool.window, divisor: padded ? 'caffe' : 'valid' } as const;
  return call.floats(x, ops.avgpool.forward([asTensor(x)], attributes, call.working(x)).data, pool.shape);
};

function averages(x: Value, pool: Pool, padded: boolean): Float64Array {
  const X = floatData(x);
  const Y = new Float64Array(countOf(pool.shape));
  forEachWindow(pool, (to, position, covered) => {
    let sum = 0;
    for (const i of covered) sum += X[i];
    Y[to] = sum / (padded ? tapsInPadded(position, pool) : covered.length);
  });
  return Y;
}

/** Taps of the window that lie inside the padded input. */
function tapsInPadded(position: readonly number[], { extents, g }: Pool): number {
  return extents.reduce((product, extent, axis) => {
    const room = extent + g.end[axis] + g.begin[axis] - position[axis] * g.strides[axis];
    return product * Math.min(g.kernel[axis], Math.ceil(room / g.dilations[axis]));
  }, 1);
}

/** One window over all of a map. */
const whole =
  (reduce: (X: ArrayLike<number>, from: number, to: number) => number): Kernel =>
  (call) => {
    const x = call.input(0);
    const X = floatData(x);
    const [N, C, ...extents] = x.shape;
    const size = countOf(extents);
    const Y = new Float64Array(countOf([N, C])).map((_, map) => reduce(X, map * size, (map + 1) * size));
    return call.floats(x, Y, [N, C, ...extents.map(() => 1)]);
  };

const meanOver = (X: ArrayLike<number>, from: number, to: number): number => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += X[i];
  return sum / (to - from);
};

const maxOver = (X: ArrayLike<number>, from: number, to: number): number => {
  let best = -Infinity;
  for (let i = from; i < to; i++) if (X[i] > best || Number.isNaN(X[i])) best = X[i];
  return best;
};

const maxUnpool: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  if (x.shape.join() !== at.shape.join()) {
    throw new Error(`the indices must be shaped as x (= [${at.shape}] and [${x.shape}])`);
  }
  const rank = x.shape.length - 2;
  const kernel = call.requiredInts('kernel_shape');
  const strides = perAxis(call, 'strides', rank, 1);
  const { begin, end } = padsOf(call, rank, -Infinity);
  if (kernel.length !== rank) throw new Error(`kernel_shape must fit ${rank} spatial dimensions`);
  const spread = x.shape.slice(2).map((n, i) => strides[i] * (n - 1) + kernel[i] - begin[i] - end[i]);
  const implied = [...x.shape.slice(0, 2), ...spread];
  const given = call.given[2];
  return unpool(x, numbers(at), implied, given ? indices(given) : implied);
};

function unpool(x: Value, at: ArrayLike<number>, implied: Shape, shape: Shape): Value {
  const limit = countOf(implied);
  if (shape.length !== implied.length || shape.some((n, axis) => n < implied[axis])) {
    throw new Error(`output_shape [${shape}] must not be smaller than the implied [${implied}]`);
  }
  const data = emptyLike(x, countOf(shape));
  const [from, to] = [elements(x.data), elements(data)];
  for (let i = 0; i < from.length; i++) {
    if (!(at[i] >= 0 && at[i] < limit)) throw new Error(`index ${at[i]} is outside [${implied}]`);
    to[ravel(unravel(at[i], implied), shape)] = from[i];
  }
  return { dtype: x.dtype, shape, data };
}

const attributes = 'auto_pad ceil_mode dilations kernel_shape pads strides';

export const operators: Operators = {
  MaxPool: operator('1 8 10 11 12 22', maxPool, `${attributes} storage_order`),
  AveragePool: operator('1 7 10 11 19 22', averagePool, `${attributes} count_include_pad`),
  GlobalMaxPool: operator('1 22', whole(maxOver)),
  GlobalAveragePool: operator('1 22', whole(meanOver)),
  MaxUnpool: operator('9 11 22', maxUnpool, 'kernel_shape pads strides'),
};
