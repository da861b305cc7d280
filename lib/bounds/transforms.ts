/**
 * The norm-wise tier for a convolution's dx, which the graph writes as a convolution of stride 1: cuDNN may
 * compute it by Winograd's or the Fourier transform, as it may the forward pass. See normwise.ts. dw is a
 * product of matrices.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import type { Context } from './bounds.ts';
import { type Normwise, normwise, transformable } from './normwise.ts';

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
