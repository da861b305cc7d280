/**
 * The fast twins of `reference/ops`: the same bits, twenty times sooner. The product of two float32 values is exact in
 * float64; so one float64 accumulator per output, terms in the order of the plain loop, the bias and one rounding give
 * the same bits for any tile, register width, thread count and batch. Where the loop is fast enough there is no twin.
 *
 * The path of one convolution:
 *
 *   1. conv2d.ts `forward` takes the engine of engine.ts: WebAssembly kernels, compiled when first wanted, and the
 *      one memory they see. The weights are copied there, and each slab of images with its padding.
 *   2. Tables of byte offsets (product.ts `grid`) say where term (c, r, s) of output (n, p, q) lies. Groups, strides,
 *      dilation and both gradients are only other tables; no im2col matrix exists.
 *   3. product.ts `packRows` has a group's weights gathered into panels (kernels/pack.ts), and `multiply` writes down
 *      the job: operands, tables, and blocks of columns that fit a cache.
 *   4. kernels/sharing.ts hands the blocks to this thread and to those that configure({ threads }) brought (node.ts);
 *      no block is a part of a sum.
 *   5. kernels/product.ts computes a block: packs its pixels, keeps a tile of sums in registers, adds the bias, rounds
 *      once, and scatters the results. conv2d.ts copies them out as y.
 *
 * linear.ts goes the same way, its weights in chunks; for one or two images kernels/linear.ts reads them where they
 * lie. maps.ts has the normalisations and max-pooling. kernels/index.ts assembles all kernels, kernels/assembler.ts
 * writes WebAssembly. float32.ts defines sums in float32.
 */
import { mustBeObject } from '../../reference/named.ts';
import * as plain from '../../reference/ops/index.ts';
import type { Forward } from '../../reference/ops/operation.ts';
import type { Operations } from '../../reference/oracle.ts';
import type { Precision } from '../../reference/tensor.ts';
import * as conv2d from './conv2d.ts';
import { connect, convolve } from './float32.ts';
import * as linear from './linear.ts';
import { lrn, mapnorm, maxpool } from './maps.ts';

export * from '../../reference/ops/index.ts';
export {
  type CompiledModule,
  configure,
  type Memory,
  type Settings,
  type Threads,
  unavailable,
  type Width,
} from './engine.ts';
export { conv2d, linear, lrn, mapnorm, maxpool };

/** Every operation, bit for bit as in reference/ops; where the plain loop is fast enough, that loop. */
export const operations: Operations = { ...plain, conv2d, linear, lrn, mapnorm, maxpool };

export interface ComputeOptions {
  /** The plain loops, which are the definition, instead of their fast twins; the bits are the same. */
  readonly plain?: boolean;
  /** What sums of products are held in: float64 (default), or float32, faster and no yardstick (float32.ts). */
  readonly accumulate?: Precision;
}

/** The table for the options of a command. */
export function operationsFor(options: ComputeOptions): Operations {
  mustBeObject('options', options);
  const { plain: loops = false, accumulate = 'float64' } = options;
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
