/**
 * Shapes: Shape Size Reshape Flatten Squeeze Unsqueeze Identity Transpose Expand. No element changes.
 *
 * Versions: Reshape's shape is an attribute until 4 and an input since 5, allowzero since 14; the axes of Squeeze and
 * Unsqueeze are an attribute until 12 and an input since 13, negative ones since 11 (Flatten too); Shape has start and
 * end since 15; 13 to 25 add types.
 */
import type { Shape } from '../../../reference/tensor.ts';
import { countOf, indices, int64s, picked, withShape } from '../value.ts';
import { axesOf, cutOf, type Kernel, type Operators, operator } from './kernel.ts';
import { broadcastIndex, broadcastShape, stepsOf, strided } from './strides.ts';

/** A position counted from the front, from the back if negative, clamped to [0, extent]. */
const clampTo = (at: number, extent: number): number =>
  Math.max(0, Math.min(extent, at < 0 ? at + extent : at));

const shapeOf: Kernel = (call) => {
  const { shape } = call.input(0);
  const rank = shape.length;
  const start = clampTo(call.int('start', 0), rank);
  const end = clampTo(call.int('end', rank), rank);
  return int64s(shape.slice(start, Math.max(start, end)));
};

const size: Kernel = (call) => int64s([countOf(call.input(0).shape)], []);

const reshape: Kernel = (call) => {
  const x = call.input(0);
  return withShape(x, resolveShape(x.shape, call.requiredList('shape', 1, 5), call.flag('allowzero')));
};

/** 0 copies the extent (unless allowZero), −1 is what is left. */
function resolveShape(from: Shape, wanted: readonly number[], allowZero: boolean): number[] {
  const copied = wanted.map((extent, axis) => {
    if (extent !== 0 || allowZero) return extent;
    if (axis >= from.length)
      throw new Error(`shape [${wanted}] copies an extent that [${from}] does not have`);
    return from[axis];
  });
  const total = countOf(from);
  const known = copied.filter((extent) => extent !== -1);
  const rest = known.reduce((a, b) => a * b, 1);
  const open = copied.length - known.length;
  if (open > 1 || known.some((extent) => extent < 0) || (open === 1 && (rest === 0 || total % rest !== 0))) {
    throw new Error(`[${from}] cannot be reshaped to [${wanted}]`);
  }
  const result = copied.map((extent) => (extent === -1 ? total / rest : extent));
  if (countOf(result) !== total) throw new Error(`[${from}] cannot be reshaped to [${wanted}]`);
  return result;
}

const flatten: Kernel = (call) => {
  const x = call.input(0);
  const cut = cutOf(call.int('axis', 1), x.shape.length);
  return withShape(x, [countOf(x.shape.slice(0, cut)), countOf(x.shape.slice(cut))]);
};

const squeeze: Kernel = (call) => {
  const x = call.input(0);
  const given = call.list('axes', 1, 13);
  const ones = x.shape.flatMap((extent, axis) => (extent === 1 ? [axis] : []));
  const axes = given ? axesOf(given, x.shape.length) : ones;
  const wrong = axes.find((axis) => x.shape[axis] !== 1);
  if (wrong !== undefined) throw new Error(`axis ${wrong} of [${x.shape}] is not 1`);
  const shape = x.shape.filter((_, axis) => !axes.includes(axis));
  return withShape(x, shape);
};

const unsqueeze: Kernel = (call) => {
  const x = call.input(0);
  const given = call.requiredList('axes', 1, 13);
  const rank = x.shape.length + given.length;
  const axes = axesOf(given, rank);
  const own = x.shape.values();
  const shape = Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : own.next().value!));
  return withShape(x, shape);
};

const transpose: Kernel = (call) => {
  const x = call.input(0);
  const rank = x.shape.length;
  const order = call.ints('perm') ?? x.shape.map((_, axis) => rank - 1 - axis);
  if (order.length !== rank || axesOf(order, rank).some((axis, i) => axis !== order[i])) {
    throw new Error(`perm [${order}] is not a permutation of ${rank} axes`);
  }
  const [shape, steps] = [x.shape, stepsOf(x.shape)].map((list) => order.map((axis) => list[axis]));
  return picked(x, strided(shape, steps), shape);
};

const expand: Kernel = (call) => {
  const x = call.input(0);
  const shape = broadcastShape([x.shape, indices(call.input(1))]);
  return picked(x, broadcastIndex(x.shape, shape), shape);
};

const identity: Kernel = (call) => call.input(0);

export const operators: Operators = {
  Shape: operator('1 13 15 19 21 23 24 25', shapeOf, 'start end'),
  Size: operator('1 13 19 21 23 24 25', size),
  Reshape: operator('1 5 13 14 19 21 23 24 25', reshape, 'shape allowzero consumed_inputs'),
  Flatten: operator('1 9 11 13 21 23 24 25', flatten, 'axis'),
  Squeeze: operator('1 11 13 21 23 24 25', squeeze, 'axes'),
  Unsqueeze: operator('1 11 13 21 23 24 25', unsqueeze, 'axes'),
  Transpose: operator('1 13 21 23 24 25', transpose, 'perm'),
  Expand: operator('8 13', expand),
  Identity: operator('1 13 14 16 19 21 23 24 25', identity),
};
