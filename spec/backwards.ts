/**
 * How the gradients of each operation are computed on the calls of its fixture, and how far right ones may lie from
 * PyTorch's (fixtures/ops/<operation>/backward.json, made by fixtures/ops/make_backward.py).
 *
 * u = 2⁻⁵³; γₙ = nu/(1 − nu). Two right sums within γₙ·M of the true value, M the sum of absolute values, differ by at
 * most 2·γₙ·M. Every gradient here is linear in dy with known signs, so M is the same gradient with signs taken off.
 */
import { readFileSync } from 'node:fs';
import type { Call } from '../lib/judge/mistakes/tools.ts';
import * as ops from '../reference/ops/index.ts';
import { dense, map, type Precision, type Tensor, tensor } from '../reference/tensor.ts';
import { type Case, fixtureOf } from './cases.ts';
import { gamma, U64 } from './operations.ts';

/** Tensors by name: dx, dw, db; dx0, dx1 … of concat; every: max-pooling's dx where each maximum gets dy. */
export type Gradients = Readonly<Record<string, Tensor>>;

export interface BackwardCase extends Case {
  readonly dy: Tensor;
  readonly gradients: Gradients;
}

export interface Backward {
  readonly run: (call: Call, dy: Tensor, precision: Precision) => Gradients;
  /** Largest difference of two right float64 results, for each element of a gradient; absent: none. */
  readonly bounds?: (test: BackwardCase) => Readonly<Record<string, ArrayLike<number>>>;
}

interface Stored {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** The cases of an operation that have gradients. */
export function backwardCases(operation: string): { provenance: string; cases: BackwardCase[] } {
  const url = new URL(`../fixtures/ops/${operation}/backward.json`, import.meta.url);
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
const shapeOf = (t: Tensor): readonly number[] => t.shape;
const xs = ({ inputs }: Call): Tensor[] => Object.values(inputs);
const mask = ({ inputs }: Call): Uint8Array | null =>
  inputs.mask ? Uint8Array.from(dense(inputs.mask)) : null;

/** Elementwise: f(dy, y) for each element. */
const each = (dy: Tensor, y: Tensor, f: (dy: number, y: number) => number): Float64Array =>
  Float64Array.from(dense(y), (v, i) => f(Math.abs(dense(dy)[i]), v));

/** Sums of at most m products of |dy| and positive numbers. */
const positiveSums = (run: Backward['run'], m: (test: Case) => number): Backward => ({
  run,
  bounds: (test) => {
    const magnitudes = run(test, absolute(test.dy), 'float64');
    const factor = 2 * gamma(m(test));
    return Object.fromEntries(
      Object.entries(magnitudes).map(([name, t]) => [name, dense(t).map((v) => v * factor)]),
    );
  },
});

/**
 * dx = dy·s^−β − 2βα′·x·Σ dy·x·s^−(β+1) over n pixels: with α negated and |x|, |dy| the sum of absolute
 * values. s has n squares, a product and a sum; its power loses β + 1 times that, and |β·log s| units where
 * it is e^(−β·log s).
 */
// biome-ignore lint/suspicious/noExplicitAny: the two norms have attributes of their own
function norm(operation: any, pixels: (size: number) => number): Backward {
  const run: Backward['run'] = ({ inputs: { x }, attributes }, dy, precision) =>
    operation.backward(dy, x, operation.forward(x, attributes, 'float64').s, attributes, precision);
  return {
    run,
    bounds: ({ inputs: { x }, attributes, dy }) => {
      const { alpha, beta, k, size } = attributes;
      const n = pixels(size);
      const power = 8 + 2 * (beta + 1) * Math.log(1e6 / Math.min(k, 1));
      const factor = 2 * gamma(Math.ceil((beta + 1) * (n + 4) + power + n + 8));
      const { s } = operation.forward(x, attributes, 'float64');
      const signless = { ...attributes, alpha: -alpha };
      const { dx } = operation.backward(absolute(dy), absolute(x), s, signless, 'float64');
      return { dx: dense(dx as Tensor).map((v) => v * factor) };
    },
  };
}

/** The operations whose backward reads forward's y. */
export const activations = { relu: ops.relu, tanh: ops.tanh, sigmoid: ops.sigmoid, softmax: ops.softmax };

const y = (name: keyof typeof activations, { inputs: { x } }: Call): Tensor =>
  activations[name].forward(x, 'float64').y;

export const backwards: Readonly<Record<string, Backward>> = {
  lrn: norm(ops.lrn, (size) => size),
  mapnorm: norm(ops.mapnorm, (size) => size * size),
  // dy has five significant bits: its sums are exact
  maxpool: {
    run: ({ inputs: { x }, attributes }, dy, precision) => {
      const { winner } = ops.maxpool.forward(x, attributes);
      const { dx } = ops.maxpool.backward(dy, x, winner, attributes, 'first', precision);
      return { dx, every: ops.maxpool.backward(dy, x, winner, attributes, 'every', precision).dx };
    },
  },
  avgpool: positiveSums(
    ({ inputs: { x }, attributes }, dy, precision) => ({
      ...ops.avgpool.backward(dy, x.shape, attributes, precision),
    }),
    ({ attributes: { kernel } }) => kernel[0] * kernel[1] + 2,
  ),
  adaptiveavgpool: positiveSums(
    ({ inputs: { x }, attributes }, dy, precision) => ({
      ...ops.adaptiveavgpool.backward(dy, x.shape, attributes, precision),
    }),
    ({ attributes: { size } }) => size[0] * size[1] + 2,
  ),
  relu: { run: (call, dy, precision) => ({ ...ops.relu.backward(dy, y('relu', call), precision) }) },
  // y is off by 6u·|y| at most (spec/operations.ts), so 1 − y² by 12u, and three roundings
  tanh: {
    run: (call, dy, precision) => ({ ...ops.tanh.backward(dy, y('tanh', call), precision) }),
    bounds: (test) => ({ dx: each(test.dy, y('tanh', test), (d) => 16 * U64 * d) }),
  },
  // y is off by 12u·y at most, so y·(1 − y) by 24u·y, and three roundings
  sigmoid: {
    run: (call, dy, precision) => ({ ...ops.sigmoid.backward(dy, y('sigmoid', call), precision) }),
    bounds: (test) => ({ dx: each(test.dy, y('sigmoid', test), (d, v) => 32 * U64 * d * v) }),
  },
  // M = y[k]·(|dy[k]| + Σ|dy|·y); each y loses what spec/operations.ts says, twice, and the sum has K terms
  softmax: {
    run: (call, dy, precision) => ({ ...ops.softmax.backward(dy, y('softmax', call), precision) }),
    bounds: (test) => {
      const K = test.dy.shape[1];
      const [Y, DY] = [dense(y('softmax', test)), dense(absolute(test.dy))];
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
  },
  dropout: positiveSums(
    (call, dy, precision) => ({ ...ops.dropout.backward(dy, call.attributes, mask(call), precision) }),
    () => 3,
  ),
  flatten: {
    run: ({ inputs: { x }, attributes }, dy, precision) => ({
      ...ops.flatten.backward(dy, x.shape, attributes, precision),
    }),
  },
  concat: {
    run: (call, dy, precision) => {
      const { dxs } = ops.concat.backward(dy, xs(call).map(shapeOf), precision);
      return Object.fromEntries(dxs.map((dx, i) => [`dx${i}`, dx]));
    },
  },
  split: {
    run: ({ inputs: { x }, attributes }, dy, precision) => ({
      ...ops.split.backward(dy, x.shape, attributes, precision),
    }),
  },
};

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
    const [mine, theirs] = [dense(got[name]), dense(wanted)];
    const wrong = theirs.findIndex((v, i) => !(Math.abs(mine[i] - v) <= (within?.[name][i] ?? 0)));
    if (wrong >= 0) return `${name}[${wrong}] is ${mine[wrong]}, should be ${theirs[wrong]}`;
  }
  return null;
}
