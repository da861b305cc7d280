/**
 * Broadcasting: which element of an operand belongs to which element of the result.
 *
 * ONNX, docs/Broadcasting.md: numpy's rules since opset 7. Before, `broadcast = 1` stretches the second operand alone,
 * and `axis` says at which dimension of the first it starts (default: its dimensions are the last ones).
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import type { Node } from '../model.ts';
import { countOf, withShape } from '../value.ts';
import { int } from './kernel.ts';

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
  const size = countOf(to);
  const index = new Int32Array(size);
  const fromSize = countOf(from);
  if (fromSize === 1) return index;
  const lead = to.length - from.length;
  const steps = new Array<number>(to.length).fill(0);
  let step = 1;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    if (from[axis] !== 1) steps[axis + lead] = step;
    step *= from[axis];
  }
  const at = new Array<number>(to.length).fill(0);
  let source = 0;
  for (let i = 0; i < size; i++) {
    index[i] = source;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      source += steps[axis];
      if (++at[axis] < to[axis]) break;
      source -= steps[axis] * to[axis];
      at[axis] = 0;
    }
  }
  return index;
}

/** The second operand of an arithmetic node before opset 7, shaped so that numpy's rules do what it says. */
export function legacyOperand(a: Value, b: Value, node: Node): Value {
  if (int(node, 'broadcast', 0) === 0) {
    if (a.shape.join() !== b.shape.join()) {
      throw new Error(`shapes must be equal without broadcast = 1 ([${a.shape}] and [${b.shape}])`);
    }
    return b;
  }
  const axis = int(node, 'axis', a.shape.length - b.shape.length);
  const start = axis < 0 ? axis + a.shape.length : axis;
  const trailing = a.shape.length - start - b.shape.length;
  if (trailing < 0) throw new Error(`axis ${axis} leaves no room for [${b.shape}] in [${a.shape}]`);
  return withShape(b, [...b.shape, ...new Array<number>(trailing).fill(1)]);
}
