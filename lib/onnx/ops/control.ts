/**
 * If and Loop.
 *
 * A branch or body sees every value around the node. Loop: v_final, scan outputs stacked along a new first
 * axis; it ends after M iterations or when its condition is false.
 * Versions: 11 to 25 widen types; sequences are not supported.
 */
import type { Data, Value } from '../../array/value.ts';
import { budget } from '../budget.ts';
import type { Graph } from '../model.ts';
import { bools, countOf, elements, emptyLike, int64s, only, widest } from '../value.ts';
import { type Kernel, type Operators, operator } from './kernel.ts';

const branch: Kernel = (call) =>
  call.run(call.graph(only(call.input(0)) !== 0 ? 'then_branch' : 'else_branch'), new Map());

const loop: Kernel = (call) => {
  const body = call.graph('body');
  const [limit, condition] = call.given;
  const most = limit ? only(limit) : Infinity;
  let going = condition ? only(condition) !== 0 : true;
  let state = call.given.slice(2).map((_, i) => call.input(i + 2));
  const carried = state.length;
  if (body.inputs.length !== carried + 2 || body.outputs.length < carried + 1) {
    throw new Error(`the body must take ${carried + 2} inputs and give ${carried + 1} or more outputs`);
  }
  const scans: Value[][] = body.outputs.slice(carried + 1).map(() => []);
  for (let i = 0; i < most && going; i++) {
    if (i >= call.maxIterations) throw new Error(`it ran ${i} times and does not end`);
    const given = [int64s([i], []), bools(Uint8Array.of(1), []), ...state];
    const feeds = new Map(body.inputs.map((info, k) => [info.name, given[k]]));
    const [again, ...results] = call.run(body, feeds);
    going = only(again) !== 0;
    state = results.slice(0, carried);
    for (const [k, scan] of scans.entries()) {
      budget().hold(results[carried + k]);
      scan.push(results[carried + k]);
    }
  }
  return [...state, ...scans.map((values, k) => stack(values, body, carried + 1 + k))];
};

function stack(values: readonly Value[], body: Graph, output: number): Value {
  if (values.length === 0) {
    const { name, dtype, shape } = body.outputs[output];
    if (!dtype) throw new Error(`the loop never ran and the type of '${name}' is not declared`);
    const extents = (shape ?? []).map((extent) => (typeof extent === 'number' ? extent : 0));
    const like: Value = { dtype, shape: [0], data: new Float32Array(0) };
    return { dtype, shape: [0, ...extents], data: emptyLike(like, 0) };
  }
  const [first] = values;
  if (values.some((v) => v.shape.join() !== first.shape.join() || v.dtype !== first.dtype)) {
    throw new Error('a scan output changes its shape or type');
  }
  const shape = [values.length, ...first.shape];
  const data: Data = emptyLike(widest(values), countOf(shape));
  const to = elements(data);
  let at = 0;
  for (const v of values) for (const element of elements(v.data)) to[at++] = element;
  return { dtype: first.dtype, shape, data };
}

export const operators: Operators = {
  If: operator('1 11 13 16 19 21 23 24 25', branch, 'then_branch else_branch'),
  Loop: operator('1 11 13 16 19 21 23 24 25', loop, 'body'),
};
