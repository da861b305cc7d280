/** Bounds of one parameter's update, as export/update.ts composes it, given the device's own w, v and gradient. */
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import type { Coefficients, Rule } from '../../reference/training/optimiser.ts';
import * as fast from '../fast/index.ts';
import { arithmetic, gamma, U32 } from './arithmetic.ts';
import { type Context, type Judged, largest, underflow } from './bounds.ts';
import { productBounds } from './products.ts';

/** A gradient as the graph has it, times the loss's factor: as a value, or as dyᵀ·x that goes straight into a Gemm. */
export type Gradient = { readonly value: Tensor } | { readonly dy: Tensor; readonly x: Tensor };

export interface State {
  readonly w: Tensor;
  readonly v: Tensor;
}

/** The factor that the loss's gradient has in the graph of this rule. */
export const lossFactor = (rule: Rule, learningRate: number): number =>
  rule === 'pytorch' ? 1 : rule === 'caffe' ? learningRate : -learningRate;

/** Roundings on the way of w, v and g into v′: constants, their products, and two sums. */
const ROUNDINGS = 8;

/**
 * v′ = µv + cw + rg, where g already has the loss's factor: c = ∓ελ, for PyTorch's rule λ; r is the
 * parameter's own factor on ε (PyTorch's: 1). Each term passes at most eight roundings; in a Gemm N products
 * are summed besides.
 */
export function velocityBounds(
  rule: Rule,
  own: Coefficients,
  rate: number,
  { w, v }: State,
  gradient: Gradient,
  context: Context,
): Judged {
  const sign = rule === 'caffe' ? 1 : -1;
  const c = rule === 'pytorch' ? own.weightDecay : sign * own.learningRate * own.weightDecay;
  const r = rule === 'pytorch' ? 1 : rate;
  const { exact: G, magnitude, squares, count, sizes } = sumOf(gradient);
  const [W, V] = [dense(w), dense(v)];
  const exact = G.map((g, i) => own.momentum * V[i] + c * W[i] + r * g);
  const terms = magnitude.map((m, i) => Math.abs(own.momentum * V[i]) + Math.abs(c * W[i]) + r * m);
  const y = tensor(exact, w.shape);
  if (!squares) {
    const tiny = underflow(arithmetic[context.device], ROUNDINGS);
    return { exact: y, bounds: { bound: terms.map((m) => gamma(ROUNDINGS) * m + tiny) } };
  }
  const products = squares.map((q) => r * r * q);
  const total = products.map((q, i) => q + (own.momentum * V[i]) ** 2 + (c * W[i]) ** 2);
  const bounds = productBounds(
    { magnitude: tensor(terms, w.shape), squares: tensor(total, w.shape), count: count + ROUNDINGS },
    y,
    { ...context, largest: sizes, products },
  );
  return { exact: y, bounds };
}

interface Sum {
  readonly exact: Float64Array;
  readonly magnitude: Float64Array;
  /** Where the sum is made here. */
  readonly squares: Float64Array | null;
  readonly count: number;
  /** Largest |dy| and |x| added. */
  readonly sizes: number;
}

function sumOf(gradient: Gradient): Sum {
  if ('value' in gradient) {
    const exact = Float64Array.from(dense(gradient.value));
    return { exact, magnitude: exact.map(Math.abs), squares: null, count: 1, sizes: 0 };
  }
  const { dy, x } = gradient;
  const empty = tensor(new Float64Array(dy.shape[1] * x.shape[1]), [dy.shape[1], x.shape[1]]);
  const run = (f: (v: number) => number): Float64Array => {
    const how = { precision: 'float64', dx: false } as const;
    const [, dw] = fast.linear.backward(map(dy, f), [map(x, f), empty], dy, undefined, how);
    return Float64Array.from(dense(dw as Tensor));
  };
  const sizes = largest(dense(dy)) + largest(dense(x));
  return {
    exact: run(Number),
    magnitude: run(Math.abs),
    squares: run((v) => v * v),
    count: dy.shape[0],
    sizes,
  };
}

/** w′ = w ± v′, or w − rεv′ (PyTorch): one rounding, and three of the product, given the device's own v′. */
export function parameterBounds(
  rule: Rule,
  { learningRate }: Coefficients,
  { w, v }: State,
  context: Context,
): Judged {
  const device = arithmetic[context.device];
  const [W, V] = [dense(w), dense(v)];
  const step = rule === 'pytorch' ? -learningRate : rule === 'caffe' ? -1 : 1;
  const exact = new Float64Array(W).map((value, i) => value + step * V[i]);
  const ofStep = rule === 'pytorch' ? gamma(5) : 0;
  const tiny = underflow(device, 3);
  const bound = exact.map((y, i) => U32 * Math.abs(y) + (1 + U32) * ofStep * Math.abs(step * V[i]) + tiny);
  return { exact: tensor(exact, w.shape), bounds: { bound } };
}
