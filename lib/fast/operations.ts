/** The tables of operations that reference/oracle.ts and reference/gradient.ts take. */
import * as plain from '../../reference/ops/index.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import type { Operations } from '../../reference/oracle.ts';
import type { Precision } from '../../reference/tensor.ts';
import * as conv2d from './conv2d.ts';
import * as linear from './linear.ts';
import * as lrn from './lrn.ts';
import * as mapnorm from './mapnorm.ts';
import * as maxpool from './maxpool.ts';
import { connect, convolve } from './single.ts';

/** Every operation, bit for bit as in reference/ops; where the plain loop is fast enough, that loop. */
export const operations: Operations = { ...plain, conv2d, linear, lrn, mapnorm, maxpool };

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
  const single: Sums = loops
    ? { conv2d: convolve, linear: connect }
    : {
        conv2d: (operands, attributes, precision) =>
          conv2d.forward(operands, attributes, precision, 'float32'),
        linear: (operands, _, precision) => linear.forward(operands, undefined, precision, 'float32'),
      };
  return {
    ...chosen,
    conv2d: { ...chosen.conv2d, forward: single.conv2d },
    linear: { ...chosen.linear, forward: single.linear },
  };
}

interface Sums {
  readonly conv2d: Forward<conv2d.Attributes>;
  readonly linear: Forward;
}
