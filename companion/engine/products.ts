/** A convolution's or a neuron's sum, taken apart into its terms, in the order in which the oracle adds them. */
import type { Layer, LayerOf } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Shape, type Tensor } from '../../reference/tensor.ts';

export interface Sum {
  /** Where each term's x lies in the layer's input; −1 outside the picture, where it is 0. */
  readonly at: Int32Array;
  readonly x: Float32Array;
  readonly w: Float32Array;
  /** [C/G, R, S] of a convolution, [I] of a neuron. */
  readonly window: Shape;
  readonly bias: number;
}

export const isSum = (layer: Layer): layer is LayerOf<'conv2d' | 'linear'> =>
  layer.kind === 'conv2d' || layer.kind === 'linear';

/** Terms of output `index`, in ascending (c, r, s). */
export function sumOf(
  layer: LayerOf<'conv2d' | 'linear'>,
  x: Tensor,
  weights: Weights,
  index: number,
  y: Shape,
): Sum {
  const F = dense(weights.get(`${layer.name}.weight`)!);
  const b = weights.get(`${layer.name}.bias`);
  const at =
    layer.kind === 'conv2d'
      ? windowAt(layer, x.shape, index, y)
      : new Int32Array(x.shape[1]).map((_, i) => i);
  const k = layer.kind === 'conv2d' ? Math.floor(index / (y[2] * y[3])) : index;
  const X = dense(x);
  return {
    at,
    x: Float32Array.from(at, (i) => (i < 0 ? 0 : X[i])),
    w: Float32Array.from(F.subarray(k * at.length, (k + 1) * at.length)),
    window: layer.kind === 'conv2d' ? [x.shape[1] / layer.attributes.groups, ...layer.kernel] : [at.length],
    bias: b ? dense(b)[k] : 0,
  };
}

/** Where the window of output `index` lies in the input, in ascending (c, r, s); −1 outside. */
function windowAt(layer: LayerOf<'conv2d'>, x: Shape, index: number, y: Shape): Int32Array {
  const { stride, pad, dilation, groups } = layer.attributes;
  const [R, S] = layer.kernel;
  const [, C, H, W] = x;
  const [, K, P, Q] = y;
  const k = Math.floor(index / (P * Q));
  const CG = C / groups;
  const first = Math.floor(k / (K / groups)) * CG;
  const top = (Math.floor(index / Q) % P) * stride[0] - pad[0];
  const left = (index % Q) * stride[1] - pad[1];
  return new Int32Array(CG * R * S).map((_, i) => {
    const h = top + (Math.floor(i / S) % R) * dilation[0];
    const v = left + (i % S) * dilation[1];
    const inside = h >= 0 && h < H && v >= 0 && v < W;
    return inside ? ((first + Math.floor(i / (R * S))) * H + h) * W + v : -1;
  });
}

/** The float64 accumulator after each term. */
export function running({ x, w }: Pick<Sum, 'x' | 'w'>): Float64Array {
  let sum = 0;
  return new Float64Array(x).map((v, i) => (sum += w[i] * v));
}
