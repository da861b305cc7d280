/**
 * Exercise 1: the rectified linear unit, there and back. Section 3.1 of the paper; docs/backward.md, "ReLU and tanh".
 *
 *   npm run exercise 1
 */
import type { Tensor } from '../reference/tensor.ts';
import { todo } from './todo.ts';

/** y = max(0, x), shaped as x. `zeros(x.shape, 'float64')` makes a tensor; `dense(x)` is the flat list of values. */
export function forward([x]: readonly Tensor[]): Tensor {
  return todo(x);
}

/** dx, from dy = dL/dy and what forward read and returned; at x = 0 it is 0. A list of one. */
export function backward(dy: Tensor, [x]: readonly Tensor[], y: Tensor): readonly [Tensor] {
  return todo(dy, x, y);
}
