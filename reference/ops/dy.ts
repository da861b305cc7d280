/** The gradient that a backward is given. */
import { dense, type Shape, type Storage, type Tensor } from '../tensor.ts';

/** The values of dy, row-major. Throws, naming the operation, unless it is shaped as y. */
export function gradientOf(operation: string, dy: Tensor, y: Shape): Storage {
  if (dy.shape.join() !== y.join()) {
    throw new Error(`${operation}: dy must be shaped as y, [${y}] (= [${dy.shape}])`);
  }
  return dense(dy);
}
