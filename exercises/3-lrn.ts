/**
 * Exercise 3: back through local response normalisation. Section 3.3 of the paper; docs/backward.md has the derivation.
 * Try it on paper first: y[c] depends on x[j] for every j in the window of c.
 *
 *   npm run exercise 3
 */
import type { Attributes } from '../reference/ops/lrn.ts';
import type { Tensor } from '../reference/tensor.ts';
import { todo } from './todo.ts';

/** dx (N,C,H,W), in a list of one. windowOf in reference/ops/lrn.ts gives the first and last channel of a window. */
export function backward(
  dy: Tensor,
  [x]: readonly Tensor[],
  y: Tensor,
  attributes: Attributes,
): readonly [Tensor] {
  return todo(dy, x, y, attributes);
}
