/**
 * Cutting and joining: Slice Split Concat Pad.
 *
 * Versions: Slice's starts, ends and axes are attributes until 9 and inputs since 10, with steps. Split's sizes are an
 * attribute until 12 and an input since 13; since 18 num_outputs may leave a smaller last part. Concat's axis is given
 * since 4. Pad's pads and value are attributes until 10 and inputs since 11, axes since 18, mode 'wrap' since 19.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { countOf, elements, emptyLike, indices, take, widest } from '../value.ts';
import {
  axesOf,
  axisOf,
  type Context,
  float,
  type Inputs,
  int,
  ints,
  type Kernel,
  type Operators,
  operator,
  required,
  requiredInt,
  requiredInts,
  text,
  variadic,
} from './kernel.ts';
import { strided } from './shape.ts';

const stepsOf = (shape: Shape): number[] => shape.map((_, axis) => countOf(shape.slice(axis + 1)));

function sliceRanges(
  inputs: Inputs,
  { node, version }: Context,
): Record<'starts' | 'ends', readonly number[]> & {
  axes?: readonly number[];
  steps?: readonly number[];
} {
  if (version < 10) {
    return {
      starts: requiredInts(node, 'starts'),
      ends: requiredInts(node, 'ends'),
      axes: ints(node, 'axes'),
    };
  }
  const [axes, steps] = [inputs[3], inputs[4]].map((value) => value && indices(value));
  return { starts: indices(required(inputs, 1)), ends: indices(required(inputs, 2)), axes, steps };
}

const slice: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const { starts, ends, axes, steps } = sliceRanges(inputs, context);
  const rank = x.shape.length;
  const along = axesOf(axes ?? starts.map((_, i) => i), rank);
  if ([starts, ends, steps ?? along].some((list) => list.length !== along.length)) {
    throw new Error('starts, ends, axes and steps must have one length');
  }
  const shape = [...x.shape];
  const sourceSteps = stepsOf(x.shape);
  let first = 0;
  for (const [i, axis] of along.entries()) {
    const step = steps?.[i] ?? 1;
    const extent = x.shape[axis];
    if (step === 0) throw new Error('a step must not be 0');
    const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
    const clamp = (at: number): number => Math.max(low, Math.min(high, at < 0 ? at + extent : at));
    const [start, end] = [clamp(starts[i]), clamp(ends[i])];
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * sourceSteps[axis];
    sourceSteps[axis] *= step;
  }
  return [take(x, strided(shape, sourceSteps, first), shape)];
};

/** Sizes of Split's parts along an axis of `extent`. */
function partSizes(inputs: Inputs, context: Context, extent: number): number[] {
  const { node, version } = context;
  const given = version < 13 ? ints(node, 'split') : inputs[1] && indices(inputs[1]);
  const count = node.outputs.length;
  if (given) {
    if (given.length !== count || given.some((n) => n < 0) || given.reduce((a, b) => a + b, 0) !== extent) {
      throw new Error(`split [${given}] must be ${count} sizes with sum ${extent}`);
    }
    return [...given];
  }
  if (version >= 18 && int(node, 'num_outputs', count) !== count) {
    throw new Error(`num_outputs must be the number of outputs, ${count}`);
  }
  if (version < 18 && extent % count !== 0)
    throw new Error(`${extent} cannot be split into ${count} equal parts`);
  const part = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, extent - i * part)));
}

const split: Kernel = (inputs, context) => {
  const x = required(inputs, 0);
  const axis = axisOf(int(context.node, 'axis', 0), x.shape.length);
  const steps = stepsOf(x.shape);
  let start = 0;
  return partSizes(inputs, context, x.shape[axis]).map((size) => {
    const shape = x.shape.with(axis, size);
    const part = take(x, strided(shape, steps, start * steps[axis]), shape);
    start += size;
    return part;
  });
};

const concat: Kernel = (inputs, { node, version }) => {
  const values = variadic(inputs);
  const [first] = values;
  const rank = first.shape.length;
  const axis = axisOf(version < 4 ? int(node, 'axis', 1) : requiredInt(node, 'axis'), rank);
  for (const { shape, dtype } of values) {
    if (shape.length !== rank || shape.some((n, i) => i !== axis && n !== first.shape[i])) {
      throw new Error(`[${shape}] does not fit [${first.shape}] along axis ${axis}`);
    }
    if (dtype !== first.dtype) throw new Error(`operands must have one type (= ${first.dtype} and ${dtype})`);
  }
  const shape = first.shape.with(
    axis,
    values.reduce((sum, v) => sum + v.shape[axis], 0),
  );
  const data = emptyLike(widest(values), countOf(shape));
  const to = elements(data);
  const outer = countOf(first.shape.slice(0, axis));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const v of values) {
      const from = elements(v.data);
      const run = from.length / outer;
      for (let i = 0; i < run; i++) to[at++] = from[o * run + i];
    }
  }
  return [{ dtype: first.dtype, shape, data }];
};

interface Padding {
  readonly begin: number[];
  readonly end: number[];
}

function paddingOf(inputs: Inputs, { node, version }: Context, rank: number): Padding {
  const pads =
    version < 2
      ? requiredInts(node, 'paddings')
      : version < 11
        ? requiredInts(node, 'pads')
        : indices(required(inputs, 1));
  const all = Array.from({ length: rank }, (_, axis) => axis);
  const axes = version >= 18 && inputs[3] ? axesOf(indices(inputs[3]), rank) : all;
  if (pads.length !== 2 * axes.length)
    throw new Error(`pads must be ${2 * axes.length} integers (= [${pads}])`);
  const [begin, end] = [0, axes.length].map((from) => {
    const list = new Array<number>(rank).fill(0);
    for (const [i, axis] of axes.entries()) list[axis] = pads[from + i];
    return list;
  });
  return { begin, end };
}

/** Where position `at` of a padded axis lies in the source; −1 for the constant. */
function sourceOf(at: number, extent: number, mode: string): number {
  if (at >= 0 && at < extent) return at;
  if (mode === 'constant') return -1;
  if (mode === 'edge') return Math.max(0, Math.min(extent - 1, at));
  if (mode === 'wrap') return ((at % extent) + extent) % extent;
  if (extent === 1) return 0;
  const period = 2 * (extent - 1);
  const folded = ((at % period) + period) % period;
  return folded < extent ? folded : period - folded;
}

const pad: Kernel = (inputs, context) => {
  const { node, version } = context;
  const x = required(inputs, 0);
  const { begin, end } = paddingOf(inputs, context, x.shape.length);
  const mode = text(node, 'mode', 'constant');
  if (!['constant', 'reflect', 'edge', ...(version >= 19 ? ['wrap'] : [])].includes(mode)) {
    throw new Error(`mode '${mode}' is not known`);
  }
  const shape = x.shape.map((extent, axis) => extent + begin[axis] + end[axis]);
  const steps = stepsOf(x.shape);
  countOf(shape);
  const sources = shape.map((extent, axis) => {
    const from = (_: unknown, at: number): number => sourceOf(at - begin[axis], x.shape[axis], mode);
    return Int32Array.from({ length: extent }, from).map((at) => (at < 0 ? -1 : at * steps[axis]));
  });
  const flat = combined(sources, shape);
  const y = take(x, flat, shape);
  if (mode === 'constant')
    fillGaps(y, flat, version < 11 ? float(node, 'value', 0) : constantFor(x, inputs[2]));
  return [y];
};

/** The sums of every combination of one entry a list, the last list fastest; −1 where one of them is. */
function combined(lists: readonly Int32Array[], shape: Shape): Int32Array {
  const flat = new Int32Array(countOf(shape));
  const at = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < flat.length; i++) {
    let sum = 0;
    for (let axis = 0; axis < at.length && sum >= 0; axis++) {
      const entry = lists[axis][at[axis]];
      sum = entry < 0 ? -1 : sum + entry;
    }
    flat[i] = sum;
    for (let axis = at.length - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
  return flat;
}

function constantFor(x: Value, constant: Value | undefined): number {
  if (!constant || constant.data.length === 0) return elements(emptyLike(x, 1))[0];
  if (constant.dtype !== x.dtype)
    throw new Error(`the constant must be of type ${x.dtype} (= ${constant.dtype})`);
  return elements(constant.data)[0];
}

function fillGaps(y: Value, flat: Int32Array, fill: number): void {
  const to = elements(y.data);
  for (let i = 0; i < flat.length; i++) if (flat[i] < 0) to[i] = fill;
}

export const operators: Operators = {
  Slice: operator('1 10 11 13', slice, 'starts ends axes'),
  Split: operator('1 2 11 13 18', split, 'axis split num_outputs'),
  Concat: operator('1 4 11 13', concat, 'axis'),
  Pad: operator('1 2 11 13 18 19 21 23 24 25', pad, 'mode pads paddings value'),
};
