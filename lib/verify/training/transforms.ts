/**
 * The norm-wise tier for a convolution's gradients: cuDNN may compute those that the graph writes as
 * convolutions of stride 1 by Winograd's or the Fourier transform, as it may the forward pass. See normwise.ts.
 */
import { FEW_TAPS } from '../../../export/emit/convgradients.ts';
import type { Layer } from '../../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import type { Context } from '../bounds.ts';
import { type Normwise, normwise, transformable } from '../normwise.ts';

type Conv2d = Layer & { kind: 'conv2d' };

/** dx as the convolution of dy with the kernels turned; undefined where it is none, or on another device. */
export function inputTransform(
  layer: Conv2d,
  [dy, w]: readonly [Tensor, Tensor],
  shape: readonly number[],
  { device, operands }: Context,
): (() => Normwise) | undefined {
  if (device !== 'cuda' || !transformable(layer)) return undefined;
  const { pad, groups: G } = layer.attributes;
  const [K, CG, R, S] = w.shape;
  const turned = (): Tensor =>
    permuted(w, [G * CG, K / G, R * S], ([c, k, tap]) => {
      const g = Math.floor(c / CG);
      return ((g * (K / G) + k) * CG + (c - g * CG)) * R * S + tap;
    });
  const pads = [R - 1 - pad[0], S - 1 - pad[1], R - 1 - pad[2], S - 1 - pad[3]] as const;
  const back = { ...layer, channels: G * CG, attributes: { ...layer.attributes, pad: pads } };
  return () => normwise(back, dy, reshaped(turned(), [G * CG, K / G, R, S]), shape, operands);
}

/** dw as the convolution of x, its channels as images, with dy as kernels; by products of matrices it is none. */
export function weightTransform(
  layer: Conv2d,
  [dy, x]: readonly [Tensor, Tensor],
  { device, operands }: Context,
): (() => Normwise) | undefined {
  const [R, S] = layer.kernel;
  if (device !== 'cuda' || !transformable(layer) || R * S <= FEW_TAPS) return undefined;
  const { groups: G } = layer.attributes;
  const [N, C, H, W] = x.shape;
  const [, K, P, Q] = dy.shape;
  const CG = C / G;
  return () => {
    const images = permuted(x, [CG, G * N, H * W], ([c, i, at]) => {
      const [g, n] = [Math.floor(i / N), i % N];
      return (n * C + g * CG + c) * H * W + at;
    });
    const kernels = permuted(dy, [K, N, P * Q], ([k, n, at]) => (n * K + k) * P * Q + at);
    const { bound, squares } = normwise(
      { ...layer, kernel: [P, Q] },
      reshaped(images, [CG, G * N, H, W]),
      reshaped(kernels, [K, N, P, Q]),
      [CG, K, R, S],
      operands,
    );
    // (C/G,K,R,S) → (K,C/G,R,S)
    const exchanged = (values: Float64Array): Float64Array =>
      values.map((_, i) => {
        const [tap, c, k] = [i % (R * S), Math.floor(i / (R * S)) % CG, Math.floor(i / (R * S * CG))];
        return values[(c * K + k) * R * S + tap];
      });
    return { bound: exchanged(bound), squares: exchanged(squares) };
  };
}

/** The values at from([a, b, c]), in row-major order of a shape of three extents. */
function permuted(
  t: Tensor,
  shape: readonly [number, number, number],
  from: (index: readonly [number, number, number]) => number,
): Tensor {
  const [A, B, C] = shape;
  const values = dense(t);
  const moved = new Float64Array(A * B * C).map(
    (_, i) => values[from([Math.floor(i / (B * C)), Math.floor(i / C) % B, i % C])],
  );
  return tensor(moved, [...shape]);
}

const reshaped = (t: Tensor, shape: readonly number[]): Tensor => tensor(dense(t), [...shape]);
