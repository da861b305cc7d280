/** Which functions compute a network's layers. */
import * as plain from '../ops/index.ts';
import type { Precision, Tensor } from '../tensor.ts';
import * as fast from './index.ts';
import { connect, convolve, mustBeSingle } from './single.ts';

/** The forward functions, by the name of the operation. */
export type Operations = { readonly [Name in keyof typeof plain]: Pick<(typeof plain)[Name], 'forward'> };

export interface Computation {
  /** The plain loops of ops/, which are the definition, instead of their fast twins; the bits are the same. */
  readonly plain?: boolean;
  /** What sums of products are held in: float64 (default), or float32, faster and no yardstick (single.ts). */
  readonly accumulate?: Precision;
}

export function operationsFor({ plain: loops = false, accumulate = 'float64' }: Computation): Operations {
  const operations = loops ? plain : fast;
  if (accumulate === 'float64') return operations;
  return { ...operations, ...(loops ? singleLoops : singleTwins) };
}

const singleTwins: Pick<Operations, 'conv2d' | 'linear'> = {
  conv2d: { forward: (x, w, b, attributes, y) => fast.conv2d.forward(x, w, b, attributes, y, 'float32') },
  linear: { forward: (x, w, b, y) => fast.linear.forward(x, w, b, y, 'float32') },
};

const singleLoops: Pick<Operations, 'conv2d' | 'linear'> = {
  conv2d: {
    forward: (x, w, b, attributes, y) => checked('conv2d', [x, w, b], y, () => convolve(x, w, b, attributes)),
  },
  linear: { forward: (x, w, b, y) => checked('linear', [x, w, b], y, () => connect(x, w, b)) },
};

function checked(
  operation: string,
  operands: readonly (Tensor | null)[],
  precision: Precision = 'float32',
  compute: () => Tensor,
): { y: Tensor } {
  mustBeSingle(operation, operands, precision);
  return { y: compute() };
}
