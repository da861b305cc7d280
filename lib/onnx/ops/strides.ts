/**
 * Where elements lie: row-major steps, walks through an array, the lines along an axis, broadcasting.
 *
 * ONNX, docs/Broadcasting.md: numpy's rules since opset 7. Before, `broadcast = 1` stretches the second operand alone,
 * and `axis` says at which dimension of the first it starts (default: its dimensions are the last ones).
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { countOf, withShape } from '../value.ts';
import type { Call } from './kernel.ts';

/** How far apart neighbours along each axis lie. */
export const stepsOf = (shape: Shape): number[] => shape.map((_, axis) => countOf(shape.slice(axis + 1)));

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

/** Row-major position of a flat index. */
export function unravel(index: number, shape: Shape): number[] {
  const position = new Array<number>(shape.length);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return position;
}

/** Row-major flat index of a position. */
export const ravel = (position: readonly number[], shape: Shape): number =>
  position.reduce((index, p, axis) => index * shape[axis] + p, 0);

/** The extents before an axis, on it and after it, each as one number. */
export const around = (shape: Shape, axis: number): { outer: number; extent: number; inner: number } => ({
  outer: countOf(shape.slice(0, axis)),
  extent: shape[axis],
  inner: countOf(shape.slice(axis + 1)),
});

/** The lines along an axis: how many, how long, and where the k-th element of a line lies. */
export function linesAlong(shape: Shape, axis: number) {
  const { outer, extent, inner } = around(shape, axis);
  const at = (line: number, k: number): number =>
    (Math.floor(line / inner) * extent + k) * inner + (line % inner);
  return { count: outer * inner, extent, at };
}

/** numpy's common shape. Throws where there is none. */
export function broadcastShape(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let extent = 1;
    for (const shape of shapes) {
      const own = shape[axis - rank + shape.length] ?? 1;
      if (own === 1 || own === extent) continue;
      if (extent !== 1) {
        throw new Error(`shapes do not broadcast: ${shapes.map((s) => `[${s}]`).join(' and ')}`);
      }
      extent = own;
    }
    return extent;
  });
}

/** For every element of `to` the index of the element of `from` that is stretched over it. */
export function broadcastIndex(from: Shape, to: Shape): Int32Array {
  if (countOf(from) === 1) return new Int32Array(countOf(to));
  const steps = stepsOf(from).map((step, axis) => (from[axis] === 1 ? 0 : step));
  return strided(to, [...new Array<number>(to.length - from.length).fill(0), ...steps]);
}

/** The common shape, and for each value which of its elements belongs to each element of that. */
export function broadcast(values: readonly Value[]): { shape: Shape; at: Int32Array[] } {
  const shape = broadcastShape(values.map((value) => value.shape));
  return { shape, at: values.map((value) => broadcastIndex(value.shape, shape)) };
}

/** Both operands of a node; the second one of before opset 7 shaped so that numpy's rules do what the node says. */
export function operandsOf(call: Call): [Value, Value] {
  const [a, b] = call.inputs(2);
  return [a, call.version < 7 ? legacyOperand(a, b, call) : b];
}

function legacyOperand(a: Value, b: Value, call: Call): Value {
  if (!call.flag('broadcast')) {
    if (a.shape.join() !== b.shape.join()) {
      throw new Error(`shapes must be equal without broadcast = 1 ([${a.shape}] and [${b.shape}])`);
    }
    return b;
  }
  const axis = call.int('axis', a.shape.length - b.shape.length);
  const start = axis < 0 ? axis + a.shape.length : axis;
  const trailing = a.shape.length - start - b.shape.length;
  if (trailing < 0) throw new Error(`axis ${axis} leaves no room for [${b.shape}] in [${a.shape}]`);
  return withShape(b, [...b.shape, ...new Array<number>(trailing).fill(1)]);
}
