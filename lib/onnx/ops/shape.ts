/**
 * Shapes: Shape Size Reshape Flatten Squeeze Unsqueeze Identity Transpose Expand. No element changes.
 *
 * Versions: Reshape's shape is an attribute until 4 and an input since 5, allowzero since 14; the axes of Squeeze and
 * Unsqueeze are an attribute until 12 and an input since 13, negative ones since 11 (Flatten too); Shape has start and
 * end since 15; 13 to 25 add types.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { countOf, indices, int64s, take, withShape } from '../value.ts';
import { broadcastIndex, broadcastShape } from './broadcast.ts';
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
  requiredInts,
} from './kernel.ts';

/** A position counted from the front, from the back if negative, clamped to [0, extent]. */
const clampTo = (at: number, extent: number): number =>
  Math.max(0, Math.min(extent, at < 0 ? at + extent : at));

const shapeOf: Kernel = (inputs, { node }) => {
  const { shape } = required(inputs, 0);
  const rank = shape.length;
  const start = clampTo(int(node, 'start', 0), rank);
  const end = clampTo(int(node, 'end', rank), rank);
  return [int64s(shape.slice(start, Math.max(start, end)))];
};

const size: Kernel = (inputs) => [int64s([countOf(required(inputs, 0).shape)], [])];

const reshape: Kernel = (inputs, { node, version }) => {
  const x = required(inputs, 0);
  const wanted = version < 5 ? requiredInts(node, 'shape') : indices(required(inputs, 1));
  return [withShape(x, resolveShape(x.shape, wanted, int(node, 'allowzero', 0) !== 0))];
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

const flatten: Kernel = (inputs, { node }) => {
  const x = required(inputs, 0);
  const rank = x.shape.length;
  const axis = int(node, 'axis', 1);
  const cut = axis === rank ? rank : axisOf(axis, rank);
  return [withShape(x, [countOf(x.shape.slice(0, cut)), countOf(x.shape.slice(cut))])];
};

/** Squeeze's and Unsqueeze's axes: attribute until 12, input since 13. */
function axesGiven(inputs: Inputs, { node, version }: Context): readonly number[] | undefined {
  if (version < 13) return ints(node, 'axes');
  return inputs[1] && indices(inputs[1]);
}

const squeeze: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const given = axesGiven(inputs, context);
  const ones = x.shape.flatMap((extent, axis) => (extent === 1 ? [axis] : []));
  const axes = given ? axesOf(given, x.shape.length) : ones;
  const wrong = axes.find((axis) => x.shape[axis] !== 1);
  if (wrong !== undefined) throw new Error(`axis ${wrong} of [${x.shape}] is not 1`);
  return [
    withShape(
      x,
      x.shape.filter((_, axis) => !axes.includes(axis)),
    ),
  ];
};

const unsqueeze: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const given = axesGiven(inputs, context);
  if (!given) throw new Error('axes are missing');
  const rank = x.shape.length + given.length;
  const axes = axesOf(given, rank);
  const own = x.shape.values();
  const shape = Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : own.next().value!));
  return [withShape(x, shape)];
};

const transpose: Kernel = (inputs, { node }) => {
  const x = required(inputs, 0);
  const rank = x.shape.length;
  const order = ints(node, 'perm') ?? x.shape.map((_, axis) => rank - 1 - axis);
  if (order.length !== rank || axesOf(order, rank).some((axis, i) => axis !== order[i])) {
    throw new Error(`perm [${order}] is no permutation of ${rank} axes`);
  }
  const steps = x.shape.map((_, axis) => countOf(x.shape.slice(axis + 1)));
  const shape = order.map((axis) => x.shape[axis]);
  return [
    take(
      x,
      strided(
        shape,
        order.map((axis) => steps[axis]),
      ),
      shape,
    ),
  ];
};

/** Flat source indices of a result of `shape` whose axes step through the source by `steps`. */
export function strided(shape: Shape, steps: readonly number[], first = 0): Int32Array {
  const index = new Int32Array(countOf(shape));
  const at = new Array<number>(shape.length).fill(0);
  let source = first;
  for (let i = 0; i < index.length; i++) {
    index[i] = source;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += steps[axis];
      if (++at[axis] < shape[axis]) break;
      source -= steps[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return index;
}

const expand: Kernel = (inputs) => {
  const x = required(inputs, 0);
  const shape = broadcastShape([x.shape, indices(required(inputs, 1))]);
  return [take(x, broadcastIndex(x.shape, shape), shape)];
};

const identity: Kernel = (inputs): Value[] => [required(inputs, 0)];

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
