/**
 * How each operation is run on a fixture, and how far a right result may be from the expected one: used by the
 * operations' own specs and by the mutants.
 *
 * u = 2⁻⁵³ is the unit roundoff of float64, γₙ = nu/(1 − nu) (Higham, Accuracy and Stability, chapter 3). Two right
 * results that are each within γₙ·M of the true value differ by at most 2·γₙ·M.
 */

import { type Kernel, kernelsBy } from '../lib/judge/mistakes/kernels.ts';
import type { Call } from '../lib/judge/mistakes/tools.ts';
import * as ops from '../reference/ops/index.ts';
import { dense, type Tensor } from '../reference/tensor.ts';
import type { Case } from './cases.ts';

export const U64 = 2 ** -53;
export const gamma = (n: number, u = U64): number => (n * u) / (1 - n * u);

export interface Operation {
  readonly run: Kernel;
  /** The shape that the operation announces. */
  readonly shape: (test: Case) => readonly number[];
  /** Largest difference of element i between two right float64 results; 0 for operations that only move values. */
  readonly bound: (test: Case, i: number) => number;
}

const exact = () => 0;
const y = (test: Case, i: number): number => Math.abs(test.expected.y.data[i]);
const xs = ({ inputs }: Call): Tensor[] => Object.values(inputs);
const shapeOf = (t: Tensor): readonly number[] => t.shape;

/** Σ|w·x| + |b| of each case, once. */
const magnitudes = new WeakMap<Case, ArrayLike<number>>();
function dotBound(test: Case, i: number, terms: () => { magnitude: Tensor; count: number }): number {
  if (!magnitudes.has(test)) {
    const { magnitude, count } = terms();
    magnitudes.set(
      test,
      Float64Array.from(dense(magnitude), (m) => 2 * gamma(count + 1) * m),
    );
  }
  return magnitudes.get(test)![i];
}

/** x·s^−β: sum of n squares, ·α/n, + k (relative error γ_{n+4}, all terms positive), power, product. */
function normBound(test: Case, i: number, n: number): number {
  const { beta, k } = test.attributes;
  // e^(−β·log s) loses |β·log s| units; s ≥ k, and s < 1e6 in all fixtures
  const power = 8 + 2 * beta * Math.log(1e6 / Math.min(k, 1));
  return 2 * gamma(Math.ceil(beta * (n + 4) + power + 1)) * y(test, i);
}

/** The sum of a window: at most m terms no larger than the image's largest; a division. */
function meanBound(test: Case, m: number): number {
  let largest = 0;
  for (const v of dense(test.inputs.x)) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v));
  return 2 * gamma(m + 1) * m * largest;
}

const kernels = kernelsBy(ops);

export const operations: Readonly<Record<string, Operation>> = {
  conv2d: {
    run: kernels.conv2d,
    shape: ({ inputs: { x, w }, attributes }) => ops.conv2d.shape(x.shape, w.shape, attributes),
    bound: (test, i) => {
      const { x, w, b } = test.inputs;
      return dotBound(test, i, () => ops.conv2d.terms(x, w, b ?? null, test.attributes));
    },
  },
  linear: {
    run: kernels.linear,
    shape: ({ inputs: { x, w } }) => ops.linear.shape(x.shape, w.shape),
    bound: (test, i) => {
      const { x, w, b } = test.inputs;
      return dotBound(test, i, () => ops.linear.terms(x, w, b ?? null));
    },
  },
  lrn: {
    run: kernels.lrn,
    shape: ({ inputs: { x }, attributes }) => ops.lrn.shape(x.shape, attributes),
    bound: (test, i) => normBound(test, i, test.attributes.size),
  },
  mapnorm: {
    run: kernels.mapnorm,
    shape: ({ inputs: { x }, attributes }) => ops.mapnorm.shape(x.shape, attributes),
    bound: (test, i) => normBound(test, i, test.attributes.size ** 2),
  },
  maxpool: {
    run: kernels.maxpool,
    shape: ({ inputs: { x }, attributes }) => ops.maxpool.shape(x.shape, attributes),
    bound: exact,
  },
  avgpool: {
    run: kernels.avgpool,
    shape: ({ inputs: { x }, attributes }) => ops.avgpool.shape(x.shape, attributes),
    bound: (test) => meanBound(test, test.attributes.kernel[0] * test.attributes.kernel[1]),
  },
  adaptiveavgpool: {
    run: kernels.adaptiveavgpool,
    shape: ({ inputs: { x }, attributes }) => ops.adaptiveavgpool.shape(x.shape, attributes),
    bound: (test) => meanBound(test, test.inputs.x.shape[2] * test.inputs.x.shape[3]),
  },
  relu: {
    run: kernels.relu,
    shape: ({ inputs: { x } }) => ops.relu.shape(x.shape),
    bound: exact,
  },
  // ours is within 2.5 ULP (spec/reference/math.spec.ts), PyTorch's within 1 (SLEEF); an ULP is at most 2u·|y|
  tanh: {
    run: kernels.tanh,
    shape: ({ inputs: { x } }) => ops.tanh.shape(x.shape),
    bound: (test, i) => 7 * U64 * y(test, i),
  },
  // ours is within 3 ULP, PyTorch's e^−x within 1, then a sum and a quotient
  sigmoid: {
    run: kernels.sigmoid,
    shape: ({ inputs: { x } }) => ops.sigmoid.shape(x.shape),
    bound: (test, i) => 12 * U64 * y(test, i),
  },
  softmax: {
    run: kernels.softmax,
    shape: ({ inputs: { x } }) => ops.softmax.shape(x.shape),
    // x − m is rounded (its exponential loses |x − m|·u < 745u), exp 2u, sum of K, quotient; 2⁻¹⁰⁷⁴ once subnormal
    bound: (test, i) => 2 * gamma(745 + test.inputs.x.shape[1] + 4) * y(test, i) + 2 ** -1074,
  },
  dropout: {
    run: kernels.dropout,
    shape: ({ inputs: { x }, attributes }) => ops.dropout.shape(x.shape, attributes),
    // x / (1 − r) here, x·(1 / (1 − r)) in PyTorch: 1 − r, quotient, product
    bound: (test, i) => 2 * gamma(3) * y(test, i),
  },
  flatten: {
    run: kernels.flatten,
    shape: ({ inputs: { x } }) => ops.flatten.shape(x.shape),
    bound: exact,
  },
  concat: {
    run: kernels.concat,
    shape: (test) => ops.concat.shape(xs(test).map(shapeOf)),
    bound: exact,
  },
  split: {
    run: kernels.split,
    shape: ({ inputs: { x }, attributes }) => ops.split.shape(x.shape, attributes),
    bound: exact,
  },
};

/** The first way in which a result disagrees with what is expected, in words; null where it agrees. */
export function disagreement(
  test: Case,
  result: Tensor,
  bound: (test: Case, i: number) => number,
  expected: Tensor = test.expected.y,
): string | null {
  if (result.shape.join() !== expected.shape.join())
    return `shape [${result.shape}], should be [${expected.shape}]`;
  const [got, wanted] = [dense(result), dense(expected)];
  for (let i = 0; i < wanted.length; i++) {
    const same = got[i] === wanted[i] || (Number.isNaN(got[i]) && Number.isNaN(wanted[i]));
    if (!same && !(Math.abs(got[i] - wanted[i]) <= bound(test, i))) {
      return `element ${i} is ${got[i]}, should be ${wanted[i]} within ${bound(test, i)}`;
    }
  }
  return null;
}
