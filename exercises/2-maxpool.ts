/**
 * Exercise 2: overlapping max-pooling, there and back. Section 3.4 of the paper; docs/backward.md, "Max-pooling".
 *
 *   npm run exercise 2
 */
import { pooledShape, type Window } from '../reference/ops/window.ts';
import type { Tensor } from '../reference/tensor.ts';
import { todo } from './todo.ts';

/** y (N,C,P,Q), the largest value of each window. x is (N,C,H,W); pooledShape knows how many windows there are. */
export function forward([x]: readonly Tensor[], attributes: Window): Tensor {
  return todo(pooledShape('maxpool', x.shape, attributes));
}

/** dx (N,C,H,W), in a list of one: each window's dy goes to its maximum, of equal ones to the first. */
export function backward(
  dy: Tensor,
  [x]: readonly Tensor[],
  y: Tensor,
  attributes: Window,
): readonly [Tensor] {
  return todo(dy, x, y, attributes);
}
