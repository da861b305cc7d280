/**
 * What an operation is. Each file here is one: it exports the functions below under these names, and index.ts is the
 * table of them, from the kind of a layer to its operation.
 *
 * Operands are a list, as in ONNX: [x]; [x, w, b] or, without a bias, [x, w]; all inputs of concat; [x, mask] of
 * dropout in training. State lives in arguments and results alone.
 */
import { dense, type Precision, type Shape, type Storage, type Tensor } from '../tensor.ts';

/** Shape of y. Throws, naming the operation, where an attribute or an operand's shape makes no sense. */
export type ShapeOf<Attributes = void> = (operands: readonly Shape[], attributes: Attributes) => Shape;

/** y, stored in `precision` (default: as x). Accumulation is float64 in either case. */
export type Forward<Attributes = void> = (
  operands: readonly Tensor[],
  attributes: Attributes,
  precision?: Precision,
) => Tensor;

/** The gradients of the operands, in their order, for dy = dL/dy; null where one is not wanted. */
export type Backward<Attributes = void> = (
  dy: Tensor,
  operands: readonly Tensor[],
  y: Tensor,
  attributes: Attributes,
  how?: How,
) => readonly (Tensor | null)[];

/** How gradients are computed. */
export interface How {
  /** What they are stored in; default: as dy. */
  readonly precision?: Precision;
  /** Whether a product's dx is wanted (default true): no layer reads the gradient of the network's input. */
  readonly dx?: boolean;
  /** Whether its dw and db are (default true). */
  readonly dw?: boolean;
  /** Which of a pooling window's equal maxima get its gradient; see maxpool.ts. */
  readonly ties?: 'first' | 'every';
}

export interface Operation {
  shape(operands: readonly Shape[], attributes: unknown): Shape;
  forward(operands: readonly Tensor[], attributes: unknown, precision?: Precision): Tensor;
  backward(...args: Parameters<Backward<unknown>>): ReturnType<Backward>;
  /** Shapes of weight and bias for an x of this shape; operations without have no parameters. */
  parameters?(x: Shape, layer: unknown): readonly [weight: Shape, bias: Shape];
  /** Multiply-accumulates; operations without count as 0. */
  macs?(operands: readonly Shape[], attributes: unknown): number;
  /** What the error bounds need of a sum of products. */
  terms?(operands: readonly Tensor[], attributes: unknown): Terms;
}

/** What a sum of products tells about itself. */
export interface Terms {
  /** Σ|w·x| + |b| per output, float64. */
  readonly magnitude: Tensor;
  /** Σ(w·x)² + b² per output, float64. */
  readonly squares: Tensor;
  /** Products in a full sum. */
  readonly count: number;
}

/** The values of dy, row-major. Throws, naming the operation, unless it is shaped as y. */
export function gradientOf(operation: string, dy: Tensor, y: Shape): Storage {
  if (dy.shape.join() !== y.join()) {
    throw new RangeError(`${operation}: dy must be shaped as y, [${y}] (= [${dy.shape}])`);
  }
  return dense(dy);
}
