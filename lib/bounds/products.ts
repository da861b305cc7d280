/**
 * Gradients that are sums of products: those of convolutions and fully connected layers. Each is bounded as
 * the forward pass is, with its own number of terms m:
 *
 *   dw  N·P·Q products dy·x, the batch among them (fully connected: N)     db  N·P·Q values dy
 *   dx  at most K/G·R·S products dy·w (fully connected: as many as neurons)
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Terms } from '../../reference/ops/terms.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, map, type Tensor } from '../../reference/tensor.ts';
import * as fast from '../fast/index.ts';
import { arithmetic, gamma } from './arithmetic.ts';
import { type Bounds, type Context, expectationFactor, largest, productBounds } from './bounds.ts';
import { type Judged, underflow } from './judged.ts';
import { inputTransform } from './transforms.ts';

export type Weighted = Layer & { readonly kind: 'conv2d' | 'linear' };

export interface WeightedGradients {
  /** Null where it was not wanted. */
  readonly dx: Judged | null;
  readonly dw: Judged;
  readonly db: Judged;
}

type Parts = { readonly dx: Tensor | null; readonly dw: Tensor; readonly db: Tensor };

/** All gradients of one layer, from the device's dy and x. */
export function weightedGradients(
  layer: Weighted,
  [dy, x]: readonly [Tensor, Tensor],
  weights: Weights,
  wanted: { readonly dx: boolean },
  context: Context,
): WeightedGradients {
  const w = weights.get(`${layer.name}.weight`) as Tensor;
  const run = (f: (v: number) => number): Parts => gradients(layer, [dy, x, w], f, wanted);
  const [exact, magnitude, squares] = [run(Number), run(Math.abs), run((v) => v * v)];
  const [N, K, ...plane] = dy.shape;
  const positions = plane.reduce((product, extent) => product * extent, N);
  const taps =
    layer.kind === 'linear' ? K : (K / layer.attributes.groups) * layer.kernel[0] * layer.kernel[1];
  const judged = (part: 'dx' | 'dw', operands: readonly [Tensor, Tensor], count: number): Judged => {
    const terms: Terms = { magnitude: magnitude[part]!, squares: squares[part]!, count };
    const sizes = operands.map((one) => largest(dense(one)));
    const about = { ...context, largest: sizes[0] + sizes[1] };
    const bounds = productBounds(terms, exact[part]!, about);
    if (layer.kind === 'linear') return { exact: exact[part]!, bounds };
    const transform = part === 'dx' ? inputTransform(layer, operands, x.shape, context) : undefined;
    return { exact: exact[part]!, bounds: transform ? { ...bounds, normwise: transform } : bounds };
  };
  return {
    dx: exact.dx && judged('dx', [dy, w], taps),
    dw: judged('dw', [dy, x], positions),
    db: { exact: exact.db, bounds: sumBounds(magnitude.db, positions, context) },
  };
}

function gradients(
  layer: Weighted,
  operands: readonly [Tensor, Tensor, Tensor],
  f: (v: number) => number,
  wanted: { readonly dx: boolean },
): Parts {
  const [dy, x, w] = f === Number ? operands : operands.map((one) => map(one, f));
  return layer.kind === 'linear'
    ? fast.linear.backward(dy, x, w, 'float64', wanted)
    : fast.conv2d.backward(dy, x, w, layer.attributes, 'float64', wanted);
}

/** `count` values added in any order: γ_{count−1}·Σ|dy|; one more for a sum that starts at 0. */
function sumBounds(magnitude: Tensor, count: number, { device }: Context): Bounds {
  const mag = dense(magnitude);
  const tiny = underflow(arithmetic[device], count);
  const expected = expectationFactor(count, mag.length);
  const bound = new Float64Array(mag).map((m) => gamma(count) * m + tiny);
  return { bound, expectation: bound.map((b, i) => Math.min(b, expected * mag[i] + tiny)) };
}
