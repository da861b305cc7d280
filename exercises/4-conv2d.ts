/**
 * Exercise 4: convolution in groups. Sections 3.2 and 3.5 of the paper; docs/paper.md tells of the two towers.
 *
 *   npm run exercise 4
 */
import { type Attributes, shape } from '../reference/ops/conv2d.ts';
import type { Tensor } from '../reference/tensor.ts';
import { todo } from './todo.ts';

/** y (N,K,P,Q) for x (N,C,H,W), w (K,C/G,R,S) and b (K); `shape` knows P and Q. */
export function forward([x, w, b]: readonly Tensor[], attributes: Attributes): Tensor {
  return todo(shape([x.shape, w.shape], attributes), b);
}
