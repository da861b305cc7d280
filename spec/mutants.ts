/**
 * Kernels with one mistake each. A set of test vectors is as good as the share of them that it tells from the right
 * kernel. The first ones of conv2d, lrn and maxpool are those that ONNX's own conformance tests let pass.
 */
import { mutants as convolutions } from './mutants/conv2d.ts';
import { mutants as norms } from './mutants/norms.ts';
import { mutants as others } from './mutants/others.ts';
import { mutants as pools } from './mutants/pools.ts';
import type { Mutant } from './mutants/tools.ts';

export type { Mutant } from './mutants/tools.ts';
export const mutants: readonly Mutant[] = [...convolutions, ...norms, ...pools, ...others];
