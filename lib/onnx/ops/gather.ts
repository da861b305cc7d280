/**
 * Indexing: Gather GatherElements GatherND ScatterElements ScatterND.
 *
 * Versions: negative indices since 11; GatherND batch_dims since 12; the scatters reduce by add and mul since
 * 16, by max and min since 18. Entries of a scatter are applied in row-major order of the indices.
 */
import type { Shape } from '../../../reference/tensor.ts';
import { isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { bigints, countOf, elements, indices, take } from '../value.ts';
import { axisOf, type Inputs, int, type Kernel, type Operators, operator, required, text } from './kernel.ts';

/** An index counted from the front. Throws outside [−extent, extent). */
function within(index: number, extent: number): number {
  if (!(index >= -extent && index < extent))
    throw new Error(`index ${index} is outside the extent ${extent}`);
  return index < 0 ? index + extent : index;
}

const gather: Kernel = (inputs, { node }) => {
  const [x, at] = [required(inputs, 0), required(inputs, 1)];
  const axis = axisOf(int(node, 'axis', 0), x.shape.length);
  const extent = x.shape[axis];
  const inner = countOf(x.shape.slice(axis + 1));
  const outer = countOf(x.shape.slice(0, axis));
  const list = indices(at).map((index) => within(index, extent));
  const shape = [...x.shape.slice(0, axis), ...at.shape, ...x.shape.slice(axis + 1)];
  const flat = new Int32Array(countOf(shape));
  let i = 0;
  for (let o = 0; o < outer; o++) {
    for (const index of list) for (let k = 0; k < inner; k++) flat[i++] = (o * extent + index) * inner + k;
  }
  return [take(x, flat, shape)];
};

/** Flat indices into x of the positions of `at`, with the coordinate on `axis` replaced by the index there. */
function elementwise(x: Shape, at: Value, axis: number): Int32Array {
  if (at.shape.length !== x.length || at.shape.some((n, i) => i !== axis && n > x[i])) {
    throw new Error(`the indices [${at.shape}] do not fit [${x}] along axis ${axis}`);
  }
  const list = indices(at);
  const position = new Array<number>(x.length).fill(0);
  const flat = new Int32Array(list.length);
  for (let i = 0; i < list.length; i++) {
    let index = 0;
    for (let d = 0; d < x.length; d++) {
      index = index * x[d] + (d === axis ? within(list[i], x[axis]) : position[d]);
    }
    flat[i] = index;
    for (let d = x.length - 1; d >= 0 && ++position[d] === at.shape[d]; d--) position[d] = 0;
  }
  return flat;
}

const gatherElements: Kernel = (inputs, { node }) => {
  const [x, at] = [required(inputs, 0), required(inputs, 1)];
  const axis = axisOf(int(node, 'axis', 0), x.shape.length);
  return [take(x, elementwise(x.shape, at, axis), at.shape)];
};

/** First flat index and length of the slices of x that the last axis of `at` names. */
function slices(x: Shape, at: Value, batch: number): { starts: number[]; run: number; depth: number } {
  const depth = at.shape.at(-1);
  if (depth === undefined || depth + batch > x.length || batch >= at.shape.length) {
    throw new Error(`the indices [${at.shape}] do not fit [${x}]`);
  }
  if (at.shape.slice(0, batch).join() !== x.slice(0, batch).join()) {
    throw new Error(`the first ${batch} extents of [${at.shape}] and [${x}] must agree`);
  }
  const run = countOf(x.slice(batch + depth));
  const perBatch = countOf(at.shape.slice(batch, -1));
  const list = indices(at);
  const count = countOf(at.shape.slice(0, -1));
  const starts = Array.from({ length: count }, (_, i) => {
    let index = perBatch === 0 ? 0 : Math.floor(i / perBatch);
    for (let d = 0; d < depth; d++) index = index * x[batch + d] + within(list[i * depth + d], x[batch + d]);
    return index * run;
  });
  return { starts, run, depth };
}

const gatherND: Kernel = (inputs, { node }) => {
  const [x, at] = [required(inputs, 0), required(inputs, 1)];
  const batch = int(node, 'batch_dims', 0);
  const { starts, run, depth } = slices(x.shape, at, batch);
  const shape = [...at.shape.slice(0, -1), ...x.shape.slice(batch + depth)];
  const flat = starts.flatMap((start) => Array.from({ length: run }, (_, k) => start + k));
  return [take(x, flat, shape)];
};

type Reduce = (old: number, update: number) => number;

const reductions: Readonly<Record<string, Reduce>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: (old, update) => (update > old || Number.isNaN(update) ? update : old),
  min: (old, update) => (update < old || Number.isNaN(update) ? update : old),
};

/** x with `updates` applied at flat indices; numbers, bigints and bools by the same JavaScript operators. */
function scatter(x: Value, flat: ArrayLike<number>, updates: Value, name: string): Value {
  const reduce = reductions[name];
  if (!reduce) throw new Error(`reduction '${name}' is not known`);
  if (updates.dtype !== x.dtype) throw new Error(`updates must be of type ${x.dtype} (= ${updates.dtype})`);
  if (updates.data.length !== flat.length) {
    throw new Error(`updates [${updates.shape}] must have ${flat.length} values`);
  }
  const exact = name !== 'none' && isInteger(x.dtype);
  const from = exact ? (bigints(updates) as unknown as number[]) : elements(updates.data);
  const copy = exact ? (bigints(x) as unknown as number[]) : elements(x.data.slice());
  for (let i = 0; i < flat.length; i++) copy[flat[i]] = reduce(copy[flat[i]], from[i]);
  return finish(x, copy, exact);
}

function finish(x: Value, data: number[], exact: boolean): Value {
  if (!exact) return { ...x, data: data as unknown as Value['data'] };
  const wide = x.data instanceof BigInt64Array || x.data instanceof BigUint64Array;
  const y = x.data.slice() as unknown as number[];
  for (let i = 0; i < data.length; i++)
    y[i] = wide ? data[i] : Number(BigInt.asIntN(64, data[i] as unknown as bigint));
  return { ...x, data: y as unknown as Value['data'] };
}

const reductionOf = (inputs: Inputs, node: Parameters<Kernel>[1]['node'], version: number): string => {
  const name = version < 16 ? 'none' : text(node, 'reduction', 'none');
  if (required(inputs, 0).dtype === 'string' && name !== 'none') throw new Error('strings cannot be reduced');
  return name;
};

const scatterElements: Kernel = (inputs, { node, version }) => {
  const [x, at, updates] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
  const axis = axisOf(int(node, 'axis', 0), x.shape.length);
  return [scatter(x, elementwise(x.shape, at, axis), updates, reductionOf(inputs, node, version))];
};

const scatterND: Kernel = (inputs, { node, version }) => {
  const [x, at, updates] = [required(inputs, 0), required(inputs, 1), required(inputs, 2)];
  const { starts, run } = slices(x.shape, at, 0);
  const flat = starts.flatMap((start) => Array.from({ length: run }, (_, k) => start + k));
  return [scatter(x, flat, updates, reductionOf(inputs, node, version))];
};

export const operators: Operators = {
  Gather: operator('1 11 13', gather, 'axis'),
  GatherElements: operator('11 13', gatherElements, 'axis'),
  GatherND: operator('11 12 13', gatherND, 'batch_dims'),
  ScatterElements: operator('11 13 16 18', scatterElements, 'axis reduction'),
  ScatterND: operator('11 13 16 18', scatterND, 'reduction'),
};
