/**
 * Kernels with one mistake each: what a wrong result is held against to say what went wrong, and what test vectors are
 * measured by (a set is as good as the share of these that it tells from the right kernel). The first ones of
 * conv2d, lrn and maxpool are those that ONNX's own conformance tests let pass.
 */
import { mutants as elementwise } from './elementwise.ts';
import { mutants as normalisers } from './normalisers.ts';
import { mutants as pools } from './pools.ts';
import { mutants as products } from './products.ts';
import type { Mutant } from './tools.ts';

export type { Mutant } from './tools.ts';
export const mutants: readonly Mutant[] = [...products, ...normalisers, ...pools, ...elementwise];
