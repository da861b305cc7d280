/** Bounds of one parameter's update, as export/update.ts composes it, given the device's own w, v and gradient. */
import { dense, map, type Tensor, tensor, zeros } from '../../reference/tensor.ts';
import type { Coefficients, Rule } from '../../reference/training/optimiser.ts';
import * as fast from '../fast/index.ts';
import { arithmetic, gamma, U32 } from './arithmetic.ts';
import { type BoundsContext, type Judged, largest, relativeTo, underflow } from './bounds.ts';
import { productBounds } from './products.ts';

/** A gradient as the graph has it, times the loss's factor: as a value, or as dyᵀ·x that goes straight into a Gemm. */
export type ParameterGradient = { readonly value: Tensor } | { readonly dy: Tensor; readonly x: Tensor };

interface ParameterState {
  readonly w: Tensor;
  readonly v: Tensor;
}

/** The factor that the loss's gradient has in the graph of this rule. */
export const factorOfLoss = (rule: Rule, learningRate: number): number =>
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
  { w, v }: ParameterState,
  gradient: ParameterGradient,
  context: BoundsContext,
): Judged {
  const sign = rule === 'caffe' ? 1 : -1;
  const c = rule === 'pytorch' ? own.weightDecay : sign * own.learningRate * own.weightDecay;
  const r = rule === 'pytorch' ? 1 : rate;
  const { exact: G, magnitude, squares, count, sizes } = sumOf(gradient);
  const W = dense(w);
  const V = dense(v);
  const exact = G.map((g, i) => own.momentum * V[i] + c * W[i] + r * g);
  const terms = magnitude.map((m, i) => Math.abs(own.momentum * V[i]) + Math.abs(c * W[i]) + r * m);
  const y = tensor(exact, w.shape);
  if (!squares) {
    const tiny = underflow(arithmetic[context.device], ROUNDINGS);
    return { exact: y, bounds: relativeTo(terms, gamma(ROUNDINGS), tiny) };
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

/** The gradient, Σ|terms| and, where the sum is made here, Σ(terms)²; `sizes` are the largest |dy| and |x| added. */
function sumOf(gradient: ParameterGradient) {
  if ('value' in gradient) {
    const exact = new Float64Array(dense(gradient.value));
    return { exact, magnitude: exact.map(Math.abs), squares: null, count: 1, sizes: 0 };
  }
  const { dy, x } = gradient;
  const w = zeros([dy.shape[1], x.shape[1]]);
  const run = (f: (v: number) => number): Float64Array => {
    const how = { precision: 'float64', dx: false } as const;
    const [, dw] = fast.linear.backward(map(dy, f), [map(x, f), w], dy, undefined, how);
    return new Float64Array(dense(dw as Tensor));
  };
  const sizes = largest(dense(dy)) + largest(dense(x));
  const squares = run((v) => v * v);
  return { exact: run(Number), magnitude: run(Math.abs), squares, count: dy.shape[0], sizes };
}

/** w′ = w ± v′, or w − rεv′ (PyTorch): one rounding, and three of the product, given the device's own v′. */
export function parameterBounds(
  rule: Rule,
  { learningRate }: Coefficients,
  { w, v }: ParameterState,
  context: BoundsContext,
): Judged {
  const device = arithmetic[context.device];
  const W = dense(w);
  const V = dense(v);
  const step = rule === 'pytorch' ? -learningRate : rule === 'caffe' ? -1 : 1;
  const exact = new Float64Array(W).map((value, i) => value + step * V[i]);
  const ofStep = rule === 'pytorch' ? gamma(5) : 0;
  const tiny = underflow(device, 3);
  const bound = exact.map((y, i) => U32 * Math.abs(y) + (1 + U32) * ofStep * Math.abs(step * V[i]) + tiny);
  return { exact: tensor(exact, w.shape), bounds: { bound } };
}
