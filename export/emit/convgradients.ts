/**
 * The gradients of a convolution with respect to its weights and its input, as forward operators.
 *
 *   dw[k,c,r,s] = Σ_{n,p,q} dy[n,k,p,q] · x[n, c, p·stride − top + r·dilation, …]
 *   dx[n,c,h,w] = Σ over the (k,p,q,r,s) that read x[n,c,h,w] of dy[n,k,p,q] · w[k,c,r,s]
 *
 * dw, 'conv': x as images (C/G, G·N), dy as kernels (K, N) of size P×Q; stride and dilation change places. For large
 * kernels and few taps of P×Q it is the fastest form on CPUs.
 * dw, 'matmul': for each tap (r,s) the values that it read, times dy; for small kernels.
 * dx, 'transposed': ConvTranspose. dx, 'flipped': for stride 1, Conv with the kernel turned by 180°.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';

type Conv2d = Layer & { kind: 'conv2d' };

/** Taps of the largest kernel for which a product for each tap is faster than one convolution: 3×3. */
export const FEW_TAPS = 9;

export function weightGradient(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  if (layer.kernel[0] * layer.kernel[1] <= FEW_TAPS) byProducts(g, layer, x, dy, dw);
  else byConvolution(g, layer, x, dy, dw);
}

/** x with its rows and columns cut or padded to what the windows cover; `pads` as in ONNX, negative ones cut. */
function covered(g: GraphBuilder, x: string, pads: readonly number[], prefix: string): string {
  const [top, left, bottom, right] = pads;
  const [H, W] = g.dims(x).slice(2) as number[];
  let result = x;
  if (bottom < 0 || right < 0) {
    const ends = g.integers(`${prefix}/ends`, [H + Math.min(bottom, 0), W + Math.min(right, 0)]);
    const bounds = [g.integers(`${prefix}/starts`, [0, 0]), ends, g.integers(`${prefix}/axes`, [2, 3])];
    result = g.node('Slice', [x, ...bounds], `${prefix}/cut`);
  }
  const added = [top, left, bottom, right].map((pad) => Math.max(pad, 0));
  if (!added.some((pad) => pad > 0)) return result;
  const all = [0, 0, added[0], added[1], 0, 0, added[2], added[3]];
  const amounts = [g.integers(`${prefix}/pads`, all), g.scalar(`${prefix}/zero`, 0)];
  return g.node('Pad', [result, ...amounts], `${prefix}/padded`, { mode: 'constant' });
}

/** The pads with which the windows cover x exactly: rows that no window reads have a negative one. */
function exactPads(g: GraphBuilder, { kernel, attributes }: Conv2d, x: string, dy: string): number[] {
  const { stride, pad, dilation } = attributes;
  const end = [0, 1].map((axis) => {
    const [extent, count] = [g.dims(x)[2 + axis] as number, g.dims(dy)[2 + axis] as number];
    return (kernel[axis] - 1) * dilation[axis] + (count - 1) * stride[axis] + 1 - extent - pad[axis];
  });
  return [pad[0], pad[1], end[0], end[1]];
}

function byConvolution(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  const { stride, dilation, groups } = layer.attributes;
  const [top, left, bottom, right] = exactPads(g, layer, x, dy);
  const cut = covered(g, x, [0, 0, Math.min(bottom, 0), Math.min(right, 0)], `${dw}/x`);
  const [N, C, H, W] = g.dims(cut) as number[];
  const [, , P, Q] = g.dims(dy) as number[];
  const apart = g.node(
    'Reshape',
    [cut, g.integers(`${dw}/apart`, [N, groups, C / groups, H, W])],
    `${dw}/groups`,
  );
  const turned = g.node('Transpose', [apart], `${dw}/turned`, { perm: [2, 1, 0, 3, 4] });
  const images = g.node(
    'Reshape',
    [turned, g.integers(`${dw}/swap`, [C / groups, groups * N, H, W])],
    `${dw}/images`,
  );
  const kernels = g.node('Transpose', [dy], `${dw}/kernels`, { perm: [1, 0, 2, 3] });
  const window = {
    kernel_shape: [P, Q],
    strides: dilation,
    dilations: stride,
    pads: [top, left, Math.max(bottom, 0), Math.max(right, 0)],
    group: groups,
  };
  const swapped = g.node('Conv', [images, kernels], `${dw}/swapped`, window);
  g.node('Transpose', [swapped], dw, { perm: [1, 0, 2, 3] });
}

function byProducts(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  const { kernel, attributes, channels: K } = layer;
  const { stride, dilation, groups: G } = attributes;
  const padded = covered(g, x, exactPads(g, layer, x, dy), `${dw}/x`);
  const [N, C, H, W] = g.dims(padded) as number[];
  const [, , P, Q] = g.dims(dy) as number[];
  const apart = g.node('Reshape', [padded, g.integers(`${dw}/apart`, [N, G, C / G, H, W])], `${dw}/groups`);
  const places = g.node('Transpose', [apart], `${dw}/places`, { perm: [1, 0, 3, 4, 2] });
  const split = g.node('Reshape', [dy, g.integers(`${dw}/split`, [N, G, K / G, P * Q])], `${dw}/dy`);
  const moved = g.node('Transpose', [split], `${dw}/moved`, { perm: [1, 2, 0, 3] });
  const left = g.node('Reshape', [moved, g.integers(`${dw}/left`, [G, K / G, N * P * Q])], `${dw}/rows`);
  const right = g.integers(`${dw}/right`, [G, N * P * Q, C / G]);
  const tap = g.integers(`${dw}/tap`, [K, C / G, 1]);
  const [axes, steps] = [g.integers(`${dw}/axes`, [2, 3]), g.integers(`${dw}/steps`, stride)];
  const taps: string[] = [];
  for (let r = 0; r < kernel[0]; r++) {
    for (let s = 0; s < kernel[1]; s++) {
      const at = `${dw}/${r},${s}`;
      const start = [r * dilation[0], s * dilation[1]];
      const end = [start[0] + (P - 1) * stride[0] + 1, start[1] + (Q - 1) * stride[1] + 1];
      const bounds = [g.integers(`${at}/starts`, start), g.integers(`${at}/ends`, end), axes, steps];
      const read = g.node('Slice', [places, ...bounds], `${at}/read`);
      const columns = g.node('Reshape', [read, right], `${at}/columns`);
      taps.push(g.node('Reshape', [g.node('MatMul', [left, columns], `${at}/product`), tap], at));
    }
  }
  const stacked = g.node('Concat', taps, `${dw}/stacked`, { axis: 2 });
  g.node('Reshape', [stacked, g.integers(`${dw}/shape`, [K, C / G, ...kernel])], dw);
}

export function inputGradient(
  g: GraphBuilder,
  layer: Conv2d,
  [x, weight, dy]: readonly [string, string, string],
  dx: string,
): void {
  const { kernel, attributes } = layer;
  const { stride, pad, dilation } = attributes;
  const plain = [...stride, ...dilation].every((v) => v === 1) && pad.every((p, i) => p < kernel[i % 2]);
  if (plain && kernel[0] * kernel[1] > FEW_TAPS) flipped(g, layer, [weight, dy], dx);
  else transposed(g, layer, [x, weight, dy], dx);
}

function transposed(
  g: GraphBuilder,
  { kernel, attributes }: Conv2d,
  [x, weight, dy]: readonly [string, string, string],
  dx: string,
): void {
  const { stride, pad, dilation, groups } = attributes;
  // pixels at the end that no window reads
  const rest = [0, 1].map((axis) => {
    const [extent, count] = [g.dims(x)[2 + axis] as number, g.dims(dy)[2 + axis] as number];
    const covered = (count - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1;
    return extent + pad[axis] + pad[2 + axis] - covered;
  });
  const window = { kernel_shape: kernel, strides: stride, dilations: dilation, pads: pad, group: groups };
  g.node('ConvTranspose', [dy, weight], dx, { ...window, output_padding: rest });
}

function flipped(
  g: GraphBuilder,
  { kernel, channels: K, attributes }: Conv2d,
  [weight, dy]: readonly [string, string],
  dx: string,
): void {
  const { pad, groups: G } = attributes;
  const [, CG] = g.dims(weight) as number[];
  const bounds = (
    [
      ['starts', [-1, -1]],
      ['ends', [-(2 ** 31), -(2 ** 31)]],
      ['axes', [2, 3]],
      ['steps', [-1, -1]],
    ] as const
  ).map(([name, values]) => g.integers(`${dx}/${name}`, values));
  const turned = g.node('Slice', [weight, ...bounds], `${dx}/turned`);
  const apart = g.node(
    'Reshape',
    [turned, g.integers(`${dx}/apart`, [G, K / G, CG, ...kernel])],
    `${dx}/groups`,
  );
  const swapped = g.node('Transpose', [apart], `${dx}/swapped`, { perm: [0, 2, 1, 3, 4] });
  const back = g.node(
    'Reshape',
    [swapped, g.integers(`${dx}/back`, [G * CG, K / G, ...kernel])],
    `${dx}/kernel`,
  );
  const pads = pad.map((p, i) => kernel[i % 2] - 1 - p);
  const window = { kernel_shape: kernel, strides: [1, 1], dilations: [1, 1], pads, group: G };
  g.node('Conv', [dy, back], dx, window);
}
