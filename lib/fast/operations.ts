/** The tables of operations that reference/oracle.ts and reference/gradient.ts take. */
import * as plain from '../../reference/ops/index.ts';
import type { Operations } from '../../reference/oracle.ts';
import type { Precision, Tensor } from '../../reference/tensor.ts';
import * as conv2d from './conv2d.ts';
import * as linear from './linear.ts';
import * as lrn from './lrn.ts';
import * as mapnorm from './mapnorm.ts';
import * as maxpool from './maxpool.ts';
import * as relu from './relu.ts';
import { connect, convolve, mustBeSingle } from './single.ts';

/** Every operation, bit for bit as in reference/ops; where the plain loop is fast enough, that loop. */
export const operations = { ...plain, conv2d, linear, lrn, mapnorm, maxpool, relu };

export interface Computation {
  /** The plain loops, which are the definition, instead of their fast twins; the bits are the same. */
  readonly plain?: boolean;
  /** What sums of products are held in: float64 (default), or float32, faster and no yardstick (single.ts). */
  readonly accumulate?: Precision;
}

/** The table for the options of a command. */
export function operationsFor({ plain: loops = false, accumulate = 'float64' }: Computation): Operations {
  const chosen: Operations = loops ? plain : operations;
  if (accumulate === 'float64') return chosen;
  const { conv2d, linear } = loops ? singleLoops : singleTwins;
  return {
    ...chosen,
    conv2d: { ...chosen.conv2d, ...conv2d },
    linear: { ...chosen.linear, ...linear },
  };
}

type Sums = { readonly [Name in 'conv2d' | 'linear']: Pick<Operations[Name], 'forward'> };

const singleTwins: Sums = {
  conv2d: { forward: (x, w, b, attributes, y) => conv2d.forward(x, w, b, attributes, y, 'float32') },
  linear: { forward: (x, w, b, y) => linear.forward(x, w, b, y, 'float32') },
};

const singleLoops: Sums = {
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
