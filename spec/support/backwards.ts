/**
 * How the gradients of each operation are computed on the calls of its fixture, and how far right ones may lie from
 * PyTorch's (fixtures/ops/<operation>/backward.json, made by fixtures/ops/make_backward.py).
 *
 * u = 2⁻⁵³; γₙ = nu/(1 − nu). Two right sums within γₙ·M of the true value, M the sum of absolute values, differ by at
 * most 2·γₙ·M. Every gradient here is linear in dy with known signs, so M is the same gradient with signs taken off.
 */
import { readFileSync } from 'node:fs';
import type { NamedCall } from '../../lib/judge/mistakes/tools.ts';
import type { Kind } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { plain } from '../../reference/oracle.ts';
import { dense, map, type Precision, type Tensor, tensor } from '../../reference/tensor.ts';
import { type Case, fixtureOf } from './cases.ts';
import { gamma, U64 } from './operations.ts';

/** Tensors by name: dx, dw, db; dx0, dx1 … of concat; every: max-pooling's dx where each maximum gets dy. */
export type Gradients = Readonly<Record<string, Tensor>>;

export interface BackwardCase extends Case {
  readonly dy: Tensor;
  readonly gradients: Gradients;
}

export interface Backward {
  readonly run: (call: NamedCall, dy: Tensor, precision: Precision) => Gradients;
  /** Largest difference of two right float64 results, for each element of a gradient; absent: none. */
  readonly bounds?: (test: BackwardCase) => Readonly<Record<string, ArrayLike<number>>>;
}

interface Stored {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The cases of an operation that have gradients. */
export function backwardCases(operation: string): { provenance: string; cases: BackwardCase[] } {
  const url = new URL(`../../fixtures/ops/${operation}/backward.json`, import.meta.url);
  const { provenance, cases } = JSON.parse(readFileSync(url, 'utf8'));
  const forward = new Map(fixtureOf(operation).cases.map((one) => [one.title, one]));
  return {
    provenance,
    cases: cases.map(({ title, dy, ...rest }: { title: string } & Record<string, Stored>) => ({
      ...(forward.get(title) as Case),
      dy: float64(dy),
      gradients: Object.fromEntries(Object.entries(rest).map(([name, stored]) => [name, float64(stored)])),
    })),
  };
}

const float64 = ({ data, shape }: Stored): Tensor => tensor(Float64Array.from(data), shape);
const absolute = (t: Tensor): Tensor => map(t, Math.abs);

/** As the reference has it, of float64 values; of max-pooling also `every`. */
const gradientsOf =
  (operation: Kind): Backward['run'] =>
  ({ inputs, attributes }, dy, precision) => {
    const operands = Object.values(inputs);
    const y = plain[operation].forward(operands, attributes, 'float64');
    const run = (ties: 'first' | 'every') =>
      plain[operation].backward(dy, operands, y, attributes, { precision, ties }) as readonly Tensor[];
    const dxs = run('first');
    if (operation === 'concat') return Object.fromEntries(dxs.map((dx, i) => [`dx${i}`, dx]));
    return operation === 'maxpool' ? { dx: dxs[0], every: run('every')[0] } : { dx: dxs[0] };
  };

/** Elementwise: f(dy, y) for each element. */
const each = (dy: Tensor, y: Tensor, f: (dy: number, y: number) => number): Float64Array =>
  new Float64Array(dense(y)).map((v, i) => f(Math.abs(dense(dy)[i]), v));

type Bounds = NonNullable<Backward['bounds']>;

/** Sums of at most m products of |dy| and positive numbers. */
const positiveSums =
  (operation: Kind, m: (test: Case) => number): Bounds =>
  (test) => {
    const magnitudes = gradientsOf(operation)(test, absolute(test.dy), 'float64');
    const factor = 2 * gamma(m(test));
    return Object.fromEntries(
      Object.entries(magnitudes).map(([name, t]) => [name, dense(t).map((v) => v * factor)]),
    );
  };

/**
 * dx = dy·s^−β − 2βα′·x·Σ dy·x·s^−(β+1) over n pixels: with α negated and |x|, |dy| the sum of absolute
 * values. s has n squares, a product and a sum; its power loses β + 1 times that, and |β·log s| units where
 * it is e^(−β·log s).
 */
const norm =
  (operation: typeof ops.lrn | typeof ops.mapnorm, pixels: (size: number) => number): Bounds =>
  ({ inputs: { x }, attributes, dy }) => {
    const { alpha, beta, k, size } = attributes;
    const n = pixels(size);
    const power = 8 + 2 * (beta + 1) * Math.log(1e6 / Math.min(k, 1));
    const factor = 2 * gamma(Math.ceil((beta + 1) * (n + 4) + power + n + 8));
    const s = operation.denominators(x, attributes);
    const signless = { ...attributes, alpha: -alpha };
    const dx = operation.inputGradient(absolute(dy), absolute(x), s, signless, 'float64');
    return { dx: dense(dx).map((v) => v * factor) };
  };

const y = (operation: Kind, { inputs: { x } }: NamedCall): Tensor =>
  plain[operation].forward([x], undefined, 'float64');

/** Operations that only move values, and max-pooling, whose sums of dy (five significant bits) are exact: none. */
const bounds: Readonly<Partial<Record<Kind, Bounds>>> = {
  lrn: norm(ops.lrn, (size) => size),
  mapnorm: norm(ops.mapnorm, (size) => size * size),
  avgpool: positiveSums('avgpool', ({ attributes: { kernel } }) => kernel[0] * kernel[1] + 2),
  adaptiveavgpool: positiveSums('adaptiveavgpool', ({ attributes: { size } }) => size[0] * size[1] + 2),
  // y is off by 6u·|y| at most (spec/support/operations.ts), so 1 − y² by 12u, and three roundings
  tanh: (test) => ({ dx: each(test.dy, y('tanh', test), (d) => 16 * U64 * d) }),
  // y is off by 12u·y at most, so y·(1 − y) by 24u·y, and three roundings
  sigmoid: (test) => ({ dx: each(test.dy, y('sigmoid', test), (d, v) => 32 * U64 * d * v) }),
  // M = y[k]·(|dy[k]| + Σ|dy|·y); each y loses what spec/support/operations.ts says, twice, and the sum has K terms
  softmax: (test) => {
    const K = test.dy.shape[1];
    const Y = dense(y('softmax', test));
    const DY = dense(absolute(test.dy));
    const factor = 2 * gamma(2 * (745 + K + 4) + K + 6);
    return {
      dx: Y.map((v, i) => {
        const row = i - (i % K);
        let mean = 0;
        for (let j = row; j < row + K; j++) mean += DY[j] * Y[j];
        return factor * v * (DY[i] + mean) + K * 2 ** -1070;
      }),
    };
  },
  dropout: positiveSums('dropout', () => 3),
};

/** All operations but conv2d and linear (spec/reference/ops/backward.spec.ts). */
export const backwards: Readonly<Record<string, Backward>> = Object.fromEntries(
  (Object.keys(plain) as Kind[])
    .filter((operation) => operation !== 'conv2d' && operation !== 'linear')
    .map((operation) => [operation, { run: gradientsOf(operation), bounds: bounds[operation] }]),
);

/** The first way in which gradients disagree with PyTorch's, in words; null where they agree. */
export function gradientDisagreement(
  test: BackwardCase,
  got: Gradients,
  bounds: Backward['bounds'],
): string | null {
  const within = bounds?.(test);
  for (const [name, wanted] of Object.entries(test.gradients)) {
    if (got[name]?.shape.join() !== wanted.shape.join()) {
      return `${name} has shape [${got[name]?.shape}], should have [${wanted.shape}]`;
    }
    const mine = dense(got[name]);
    const theirs = dense(wanted);
    const wrong = theirs.findIndex((v, i) => !(Math.abs(mine[i] - v) <= (within?.[name][i] ?? 0)));
    if (wrong >= 0) return `${name}[${wrong}] is ${mine[wrong]}, should be ${theirs[wrong]}`;
  }
  return null;
}
