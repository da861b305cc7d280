/**
 * Indexing: Gather GatherElements GatherND ScatterElements ScatterND.
 *
 * Versions: negative indices since 11; GatherND batch_dims since 12; the scatters reduce by add and mul since
 * 16, by max and min since 18. Entries of a scatter are applied in row-major order of the indices.
 */
import type { Shape } from '../../../reference/tensor.ts';
import { isInteger } from '../../array/dtype.ts';
import type { Data, Value } from '../../array/value.ts';
import { bigints, countOf, elements, indices, integers, picked } from '../value.ts';
import { type Call, type Kernel, type Operators, operator } from './kernel.ts';
import { around, stepsOf, strided } from './strides.ts';

/** An index counted from the front. Throws outside [−extent, extent). */
function within(index: number, extent: number): number {
  if (!(index >= -extent && index < extent))
    throw new Error(`index ${index} is outside the extent ${extent}`);
  return index < 0 ? index + extent : index;
}

const gather: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  const axis = call.axis(x.shape.length, 0);
  const { outer, extent, inner } = around(x.shape, axis);
  const list = indices(at).map((index) => within(index, extent));
  const shape = x.shape.toSpliced(axis, 1, ...at.shape);
  const flat = new Int32Array(countOf(shape));
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of list) for (let k = 0; k < inner; k++) flat[i++] = (o * extent + index) * inner + k;
  }
  return picked(x, flat, shape);
};

/** Flat indices into x of the positions of `at`, with the coordinate on the axis replaced by the index there. */
function elementwise(call: Call, x: Shape, at: Value): Int32Array {
  const axis = call.axis(x.length, 0);
  if (at.shape.length !== x.length || at.shape.some((n, i) => i !== axis && n > x[i])) {
    throw new Error(`the indices [${at.shape}] do not fit [${x}] along axis ${axis}`);
  }
  const list = indices(at);
  const steps = stepsOf(x);
  return strided(at.shape, steps.with(axis, 0)).map((i, k) => i + within(list[k], x[axis]) * steps[axis]);
}

const gatherElements: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  return picked(x, elementwise(call, x.shape, at), at.shape);
};

/** Flat indices into x of the slices that the last axis of `at` names, and the shape of one. */
function slices(x: Shape, at: Value, batch: number): { flat: number[]; slice: Shape } {
  const depth = at.shape.at(-1);
  if (depth === undefined || depth + batch > x.length || batch >= at.shape.length) {
    throw new Error(`the indices [${at.shape}] do not fit [${x}]`);
  }
  if (at.shape.slice(0, batch).join() !== x.slice(0, batch).join()) {
    throw new Error(`the first ${batch} extents of [${at.shape}] and [${x}] must agree`);
  }
  const slice = x.slice(batch + depth);
  const run = countOf(slice);
  const perBatch = countOf(at.shape.slice(batch, -1));
  const list = indices(at);
  const count = countOf(at.shape.slice(0, -1));
  const starts = Array.from({ length: count }, (_, i) => {
    let index = perBatch === 0 ? 0 : Math.floor(i / perBatch);
    for (let d = 0; d < depth; d++) index = index * x[batch + d] + within(list[i * depth + d], x[batch + d]);
    return index * run;
  });
  const flat = starts.flatMap((start) => Array.from({ length: run }, (_, k) => start + k));
  return { flat, slice };
}

const gatherND: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  const { flat, slice } = slices(x.shape, at, call.int('batch_dims', 0));
  return picked(x, flat, [...at.shape.slice(0, -1), ...slice]);
};

/** Numbers, bigints and bools by the same JavaScript operators. */
type Reduce = (old: number, update: number) => number;

const reductions: Readonly<Record<string, Reduce>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: (old, update) => (update > old || Number.isNaN(update) ? update : old),
  min: (old, update) => (update < old || Number.isNaN(update) ? update : old),
};

/** x with the updates, input 2, applied at flat indices. */
function scatter(call: Call, x: Value, flat: ArrayLike<number>): Value {
  const updates = call.input(2);
  const name = call.version < 16 ? 'none' : call.word('reduction', ...Object.keys(reductions));
  if (x.dtype === 'string' && name !== 'none') throw new Error('strings cannot be reduced');
  if (updates.dtype !== x.dtype) throw new Error(`updates must be of type ${x.dtype} (= ${updates.dtype})`);
  if (updates.data.length !== flat.length) {
    throw new Error(`updates [${updates.shape}] must have ${flat.length} values`);
  }
  const exact = name !== 'none' && isInteger(x.dtype);
  const [copy, from] = exact
    ? ([x, updates].map(bigints) as unknown as number[][])
    : [x.data.slice(), updates.data].map(elements);
  for (let i = 0; i < flat.length; i++) copy[flat[i]] = reductions[name](copy[flat[i]], from[i]);
  if (isInteger(x.dtype) && exact) return integers(x.dtype, (i) => copy[i] as unknown as bigint, x.shape);
  return { ...x, data: copy as unknown as Data };
}

const scatterElements: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  return scatter(call, x, elementwise(call, x.shape, at));
};

const scatterND: Kernel = (call) => {
  const [x, at] = call.inputs(2);
  return scatter(call, x, slices(x.shape, at, 0).flat);
};

export const operators: Operators = {
  Gather: operator('1 11 13', gather, 'axis'),
  GatherElements: operator('11 13', gatherElements, 'axis'),
  GatherND: operator('11 12 13', gatherND, 'batch_dims'),
  ScatterElements: operator('11 13 16 18', scatterElements, 'axis reduction'),
  ScatterND: operator('11 13 16 18', scatterND, 'reduction'),
};
