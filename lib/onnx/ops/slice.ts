/**
 * Cutting and joining: Slice Split Concat Pad.
 *
 * Versions: Slice's starts, ends and axes are attributes until 9 and inputs since 10, with steps. Split's sizes are an
 * attribute until 12 and an input since 13; since 18 num_outputs may leave a smaller last part. Concat's axis is given
 * since 4. Pad's pads and value are attributes until 10 and inputs since 11, axes since 18, mode 'wrap' since 19.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { countOf, elements, emptyLike, picked, widest } from '../value.ts';
import { axesOf, type Call, checkOneType, type Kernel, type Operators, operator } from './kernel.ts';
import { around, stepsOf, strided } from './strides.ts';

const slice: Kernel = (call) => {
  const x = call.input(0);
  const [starts, ends] = ['starts', 'ends'].map((name, i) => call.requiredList(name, 1 + i, 10));
  const along = axesOf(call.list('axes', 3, 10) ?? starts.map((_, i) => i), x.shape.length);
  const steps = call.list('steps', 4, 10) ?? along.map(() => 1);
  if ([starts, ends, steps].some((list) => list.length !== along.length)) {
    throw new Error('starts, ends, axes and steps must have one length');
  }
  const shape = [...x.shape];
  const sourceSteps = stepsOf(x.shape);
  let first = 0;
  for (const [i, axis] of along.entries()) {
    const step = steps[i];
    const extent = x.shape[axis];
    if (step === 0) throw new Error('a step must not be 0');
    const [low, high] = step > 0 ? [0, extent] : [-1, extent - 1];
    const clamp = (at: number): number => Math.max(low, Math.min(high, at < 0 ? at + extent : at));
    const [start, end] = [clamp(starts[i]), clamp(ends[i])];
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * sourceSteps[axis];
    sourceSteps[axis] *= step;
  }
  return picked(x, strided(shape, sourceSteps, first), shape);
};

/** Sizes of Split's parts along an axis of `extent`. */
function partSizes(call: Call, extent: number): readonly number[] {
  const given = call.list('split', 1, 13);
  const count = call.node.outputs.length;
  if (given) {
    if (given.length !== count || given.some((n) => n < 0) || given.reduce((a, b) => a + b, 0) !== extent) {
      throw new Error(`split [${given}] must be ${count} sizes with sum ${extent}`);
    }
    return given;
  }
  if (call.version >= 18 && call.int('num_outputs', count) !== count) {
    throw new Error(`num_outputs must be the number of outputs, ${count}`);
  }
  if (call.version < 18 && extent % count !== 0) {
    throw new Error(`${extent} cannot be split into ${count} equal parts`);
  }
  const part = Math.ceil(extent / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(part, extent - i * part)));
}

const split: Kernel = (call) => {
  const x = call.input(0);
  const axis = call.axis(x.shape.length, 0);
  const steps = stepsOf(x.shape);
  let start = 0;
  return partSizes(call, x.shape[axis]).map((size) => {
    const shape = x.shape.with(axis, size);
    const part = picked(x, strided(shape, steps, start * steps[axis]), shape);
    start += size;
    return part;
  });
};

const concat: Kernel = (call) => {
  const values = call.inputs();
  const [first] = values;
  const rank = first.shape.length;
  const axis = call.axis(rank, call.version < 4 ? 1 : undefined);
  for (const { shape } of values) {
    if (shape.length !== rank || shape.some((n, i) => i !== axis && n !== first.shape[i])) {
      throw new Error(`[${shape}] does not fit [${first.shape}] along axis ${axis}`);
    }
  }
  checkOneType(values);
  const extent = values.reduce((sum, v) => sum + v.shape[axis], 0);
  const shape = first.shape.with(axis, extent);
  const data = emptyLike(widest(values), countOf(shape));
  const to = elements(data);
  const { outer } = around(shape, axis);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const v of values) {
      const from = elements(v.data);
      const run = from.length / outer;
      for (let i = 0; i < run; i++) to[at++] = from[o * run + i];
    }
  }
  return { dtype: first.dtype, shape, data };
};

/** What is added before and after each axis. */
function paddingOf(call: Call, rank: number): [begin: number[], end: number[]] {
  const pads = call.requiredList(call.version < 2 ? 'paddings' : 'pads', 1, 11);
  const given = call.version >= 18 ? call.list('axes', 3, 18) : undefined;
  const axes = given ? axesOf(given, rank) : Array.from({ length: rank }, (_, axis) => axis);
  if (pads.length !== 2 * axes.length) {
    throw new Error(`pads must be ${2 * axes.length} integers (= [${pads}])`);
  }
  const along = (from: number): number[] => {
    const list = new Array<number>(rank).fill(0);
    for (const [i, axis] of axes.entries()) list[axis] = pads[from + i];
    return list;
  };
  return [along(0), along(axes.length)];
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

const pad: Kernel = (call) => {
  const x = call.input(0);
  const [begin, end] = paddingOf(call, x.shape.length);
  const mode = call.word('mode', 'constant', 'reflect', 'edge', ...(call.version >= 19 ? ['wrap'] : []));
  const shape = x.shape.map((extent, axis) => extent + begin[axis] + end[axis]);
  const steps = stepsOf(x.shape);
  countOf(shape);
  const sources = shape.map((extent, axis) => {
    const from = (_: unknown, at: number): number => sourceOf(at - begin[axis], x.shape[axis], mode);
    return new Int32Array(extent).map(from).map((at) => (at < 0 ? -1 : at * steps[axis]));
  });
  const flat = combined(sources, shape);
  const y = picked(x, flat, shape);
  if (mode === 'constant') {
    const fill = call.version < 11 ? call.float('value', 0) : constantFor(x, call.given[2]);
    const to = elements(y.data);
    for (let i = 0; i < flat.length; i++) if (flat[i] < 0) to[i] = fill;
  }
  return y;
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

export const operators: Operators = {
  Slice: operator('1 10 11 13', slice, 'starts ends axes'),
  Split: operator('1 2 11 13 18', split, 'axis split num_outputs'),
  Concat: operator('1 4 11 13', concat, 'axis'),
  Pad: operator('1 2 11 13 18 19 21 23 24 25', pad, 'mode pads paddings value'),
};
