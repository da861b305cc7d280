/**
 * Exercise 5: one step of gradient descent with momentum and weight decay, as section 5 of the paper writes it.
 *
 *   npm run exercise 5
 */
import { todo } from './todo.ts';

interface Coefficients {
  /** ε. */
  readonly learningRate: number;
  /** 0.9 in the paper. */
  readonly momentum: number;
  /** 0.0005 in the paper. */
  readonly weightDecay: number;
}

/** The next w and v, for the gradient g of the loss. Leave w and v as they are. `rule` is always 'paper'. */
export function update(
  rule: 'paper',
  w: Float64Array,
  v: Float64Array,
  g: Float64Array,
  coefficients: Coefficients,
): { w: Float64Array; v: Float64Array } {
  return todo(rule, w, v, g, coefficients);
}
