/**
 * How each operation is run on a fixture, and how far a right result may be from the expected one: used by the
 * operations' own specs and by the mutants.
 *
 * u = 2⁻⁵³ is the unit roundoff of float64, γₙ = nu/(1 − nu) (Higham, Accuracy and Stability, chapter 3). Two right
 * results that are each within γₙ·M of the true value differ by at most 2·γₙ·M.
 */

import { kernelBy } from '../../lib/judge/mistakes/tools.ts';
import type { Kind } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { plain } from '../../reference/oracle.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import type { Case } from './cases.ts';

export const U64 = 2 ** -53;
export const gamma = (n: number, u = U64): number => (n * u) / (1 - n * u);

export interface Operation {
  readonly run: ReturnType<typeof kernelBy>;
  /** The shape that the operation announces. */
  readonly shape: (test: Case) => readonly number[];
  /** Largest difference of element i between two right float64 results; 0 for operations that only move values. */
  readonly bound: (test: Case, i: number) => number;
}

const y = (test: Case, i: number): number => Math.abs(test.expected.y.data[i]);

/** Σ|w·x| + |b| of each case, once. */
const magnitudes = new WeakMap<Case, ArrayLike<number>>();
function dotBound(test: Case, i: number, terms: () => { magnitude: Tensor; count: number }): number {
  if (!magnitudes.has(test)) {
    const { magnitude, count } = terms();
    magnitudes.set(
      test,
      new Float64Array(dense(magnitude)).map((m) => 2 * gamma(count + 1) * m),
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

/** Operations that only move values are not here: there two right results are equal. */
const bounds: Readonly<Partial<Record<Kind, Operation['bound']>>> = {
  conv2d: (test, i) => dotBound(test, i, () => ops.conv2d.terms(Object.values(test.inputs), test.attributes)),
  linear: (test, i) => dotBound(test, i, () => ops.linear.terms(Object.values(test.inputs))),
  lrn: (test, i) => normBound(test, i, test.attributes.size),
  mapnorm: (test, i) => normBound(test, i, test.attributes.size ** 2),
  avgpool: (test) => meanBound(test, test.attributes.kernel[0] * test.attributes.kernel[1]),
  adaptiveavgpool: (test) => meanBound(test, test.inputs.x.shape[2] * test.inputs.x.shape[3]),
  // ours is within 2.5 ULP (spec/reference/math.spec.ts), PyTorch's within 1 (SLEEF); an ULP is at most 2u·|y|
  tanh: (test, i) => 7 * U64 * y(test, i),
  // ours is within 3 ULP, PyTorch's e^−x within 1, then a sum and a quotient
  sigmoid: (test, i) => 12 * U64 * y(test, i),
  // x − m is rounded (its exponential loses |x − m|·u < 745u), exp 2u, sum of K, quotient; 2⁻¹⁰⁷⁴ once subnormal
  softmax: (test, i) => 2 * gamma(745 + test.inputs.x.shape[1] + 4) * y(test, i) + 2 ** -1074,
  // x / (1 − r) here, x·(1 / (1 − r)) in PyTorch: 1 − r, quotient, product
  dropout: (test, i) => 2 * gamma(3) * y(test, i),
};

export const operations: Readonly<Record<string, Operation>> = Object.fromEntries(
  Object.entries(plain).map(([name, { shape }]) => [
    name,
    {
      run: kernelBy(plain, name),
      shape: ({ inputs, attributes }: Case) =>
        shape(
          Object.values(inputs).map((t) => t.shape),
          attributes,
        ),
      bound: bounds[name as Kind] ?? (() => 0),
    },
  ]),
);

/** The first way in which a result disagrees with what is expected, in words; null where it agrees. */
export function disagreement(
  test: Case,
  result: Tensor,
  bound: (test: Case, i: number) => number,
  expected: Tensor = test.expected.y,
): string | null {
  if (result.shape.join() !== expected.shape.join())
    return `shape [${result.shape}], should be [${expected.shape}]`;
  const got = dense(result);
  const wanted = dense(expected);
  for (let i = 0; i < wanted.length; i++) {
    const same = got[i] === wanted[i] || (Number.isNaN(got[i]) && Number.isNaN(wanted[i]));
    if (!same && !(Math.abs(got[i] - wanted[i]) <= bound(test, i))) {
      return `element ${i} is ${got[i]}, should be ${wanted[i]} within ${bound(test, i)}`;
    }
  }
  return null;
}
