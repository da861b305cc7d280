/**
 * The gradients of a convolution with respect to its weights and its input, as forward operators.
 *
 *   dw[k,c,r,s] = Σ_{n,p,q} dy[n,k,p,q] · x[n, c, p·stride − top + r·dilation, …]
 *   dx[n,c,h,w] = Σ over the (k,p,q,r,s) that read x[n,c,h,w] of dy[n,k,p,q] · w[k,c,r,s]
 *
 * dw, byProducts: dy times what the windows read (unfold.ts).
 * dw, byConvolution: x as images (C/G, G·N), dy as kernels (K, N) of size P×Q; stride and dilation change places. For
 * large kernels on the CPU, of which U would be large too.
 * dx, flipped: for stride 1, Conv with the kernel turned by 180°. dx, unfolded: the same as a product of matrices,
 * for small maps. dx, transposed: ConvTranspose, for the rest; at stride 1 it takes a third longer than Conv.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import { isGpu, type Piece, productMaps, unfold } from './unfold.ts';

type Conv2d = LayerOf<'conv2d'>;

/**
 * Taps of the largest kernel whose dw is a product of matrices on the CPU: 5×5. That layer of alexnet2012 took
 * 56 ms with its Gather, as a convolution 90 (batch 16, two threads); for 11×11 the two took about the same,
 * and U is large.
 */
const FEW_TAPS = 25;

/**
 * Whether a product of matrices is faster than Conv: on the CPU for maps of fewer pixels than there are filters in a
 * group, on WebGPU never. CUDA has the GPU's layout too, unmeasured.
 */
export const isSmall = (g: GraphBuilder, pixels: number, filters: number): boolean =>
  !isGpu(g) && pixels < filters;

export function emitWeightGradient(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  const few = layer.kernel[0] * layer.kernel[1] <= FEW_TAPS;
  if (few || isGpu(g)) byProducts(g, layer, x, dy, dw);
  else byConvolution(g, layer, x, dy, dw);
}

/** x without the rows and columns at the end that no window reads: those of negative `pads`. */
function covered(g: GraphBuilder, x: string, [, , bottom, right]: readonly number[], prefix: string): string {
  if (bottom >= 0 && right >= 0) return x;
  const [H, W] = g.dims(x).slice(2) as number[];
  const ends = g.integers(`${prefix}/ends`, [H + Math.min(bottom, 0), W + Math.min(right, 0)]);
  const bounds = [g.integers(`${prefix}/starts`, [0, 0]), ends, g.integers(`${prefix}/axes`, [2, 3])];
  return g.node('Slice', [x, ...bounds], `${prefix}/cut`);
}

/** The pads with which the windows cover x exactly: rows that no window reads have a negative one. */
function exactPads(g: GraphBuilder, { kernel, attributes }: Conv2d, x: string, dy: string): number[] {
  const { stride, pad, dilation } = attributes;
  const end = [0, 1].map((axis) => {
    const extent = g.dims(x)[2 + axis] as number;
    const count = g.dims(dy)[2 + axis] as number;
    return (kernel[axis] - 1) * dilation[axis] + (count - 1) * stride[axis] + 1 - extent - pad[axis];
  });
  return [pad[0], pad[1], end[0], end[1]];
}

function byConvolution(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  const { stride, dilation, groups } = layer.attributes;
  const pads = exactPads(g, layer, x, dy);
  const cut = covered(g, x, pads, `${dw}/x`);
  const [N, C, H, W] = g.dims(cut) as number[];
  const [, , P, Q] = g.dims(dy) as number[];
  const apart = g.reshape(cut, [N, groups, C / groups, H, W], `${dw}/groups`, `${dw}/apart`);
  const turned = g.transpose(apart, [2, 1, 0, 3, 4], `${dw}/turned`);
  const images = g.reshape(turned, [C / groups, groups * N, H, W], `${dw}/images`, `${dw}/swap`);
  const kernels = g.transpose(dy, [1, 0, 2, 3], `${dw}/kernels`);
  const window = {
    kernel_shape: [P, Q],
    strides: dilation,
    dilations: stride,
    pads: pads.map((pad) => Math.max(pad, 0)),
    group: groups,
  };
  const swapped = g.node('Conv', [images, kernels], `${dw}/swapped`, window);
  g.transpose(swapped, [1, 0, 2, 3], dw);
}

/** dw = dy·U, summed over the pieces of U. */
function byProducts(g: GraphBuilder, layer: Conv2d, x: string, dy: string, dw: string): void {
  const { groups: G } = layer.attributes;
  const [N, K, P, Q] = g.dims(dy) as number[];
  const axis = g.integers(`${dw}/axis`, [0]);
  const productOf = isGpu(g) ? imageByImage : atOnce;
  let sum = '';
  // made anew and not kept from the forward pass: pieces that stay in the cache gain more than that costs
  const made = isGpu(g) ? (layer.kernel[0] * layer.kernel[1] * K * (g.dims(x)[1] as number)) / G : 0;
  for (const [i, { u, from, to }] of unfolded(g, layer, x, [P, Q], `${dw}/unfolded`, made).entries()) {
    const bounds = [g.integers(`${dw}/from${i}`, [from]), g.integers(`${dw}/to${i}`, [to]), axis];
    const some = to - from === N ? dy : g.node('Slice', [dy, ...bounds], `${dw}/dy${i}`);
    const product = productOf(g, some, u, G, `${dw}/product${i}`);
    sum = i === 0 ? product : g.node('Add', [sum, product], `${dw}/sum${i}`);
  }
  const CG = (g.dims(x)[1] as number) / G;
  const T = layer.kernel[0] * layer.kernel[1];
  const last = g.transpose(g.reshape(sum, [K, T, CG], `${dw}/taps`), [0, 2, 1], `${dw}/last`);
  g.reshape(last, [K, CG, ...layer.kernel], dw);
}

/** dy as (G, K/G, n·P·Q) times U. */
function atOnce(g: GraphBuilder, dy: string, u: string, G: number, output: string): string {
  const [n, K, P, Q] = g.dims(dy) as number[];
  const planes = g.transpose(g.reshape(dy, [n, K, P * Q], `${output}/maps`), [1, 0, 2], `${output}/planes`);
  return g.node('MatMul', [g.reshape(planes, [G, K / G, n * P * Q], `${output}/rows`), u], output);
}

/**
 * The same, one product per image, added up afterwards: WebGPU's kernel sums a tile of the result in one workgroup,
 * and results as small as dw have few tiles (conv1 of cifar-alexnet, batch 128, H100: 8 ms a tap at once, 0.2 ms all
 * so).
 */
function imageByImage(g: GraphBuilder, dy: string, u: string, G: number, output: string): string {
  const [n, K, P, Q] = g.dims(dy) as number[];
  const columns = g.dims(u)[2] as number;
  const rows =
    G === 1
      ? g.reshape(dy, [G, n, K, P * Q], `${output}/rows`)
      : g.transpose(g.reshape(dy, [n, G, K / G, P * Q], `${output}/maps`), [1, 0, 2, 3], `${output}/rows`);
  const images = g.reshape(u, [G, n, P * Q, columns], `${output}/images`);
  const each = g.node('MatMul', [rows, images], `${output}/each`);
  return g.sum(each, [1], output, `${output}/axis`);
}

/** What the windows of `layer` read of x. */
export function unfolded(
  g: GraphBuilder,
  { kernel, attributes }: Conv2d,
  x: string,
  counts: readonly number[],
  prefix: string,
  made?: number,
): Piece[] {
  const { stride, pad, dilation, groups } = attributes;
  const source = (axis: 0 | 1, p: number, r: number) => p * stride[axis] - pad[axis] + r * dilation[axis];
  return unfold(g, x, { groups, counts, kernel, source }, prefix, made);
}

export function emitInputGradient(
  g: GraphBuilder,
  layer: Conv2d,
  [x, weight, dy]: readonly [string, string, string],
  dx: string,
): void {
  const { kernel, attributes } = layer;
  const { stride, pad, dilation, groups } = attributes;
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const plain = [...stride, ...dilation].every((v) => v === 1) && pad.every((p, i) => p < kernel[i % 2]);
  if (!plain) transposed(g, layer, [x, weight, dy], dx);
  else if (isSmall(g, H * W, C / groups)) unfoldedBack(g, layer, [x, weight, dy], dx);
  else flipped(g, layer, [weight, dy], dx);
}

/** Tap r of dx[h] is dy[h + top − r], times the weights as (G, C/G, R·S·K/G). */
function unfoldedBack(
  g: GraphBuilder,
  { kernel, attributes, channels: K }: Conv2d,
  [x, weight, dy]: readonly [string, string, string],
  dx: string,
): void {
  const { pad, groups: G } = attributes;
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const CG = C / G;
  const T = kernel[0] * kernel[1];
  const source = (axis: 0 | 1, h: number, r: number) => h + pad[axis] - r;
  const pieces = unfold(g, dy, { groups: G, counts: [H, W], kernel, source }, `${dx}/unfolded`);
  const apart = g.reshape(weight, [G, K / G, CG, T], `${dx}/groups`, `${dx}/apart`);
  const last = g.transpose(apart, [0, 2, 3, 1], `${dx}/last`);
  productMaps(g, g.reshape(last, [G, CG, T * (K / G)], `${dx}/rows`), pieces, [C, H, W], dx);
}

function transposed(
  g: GraphBuilder,
  layer: Conv2d,
  [x, weight, dy]: readonly [string, string, string],
  dx: string,
): void {
  const { stride, pad, dilation, groups } = layer.attributes;
  const exact = exactPads(g, layer, x, dy);
  // pixels at the end that no window reads
  const rest = [2, 3].map((end) => pad[end] - exact[end]);
  const window = {
    kernel_shape: layer.kernel,
    strides: stride,
    dilations: dilation,
    pads: pad,
    group: groups,
  };
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
  const ends = [-(2 ** 31), -(2 ** 31)];
  const backwards = { starts: [-1, -1], ends, axes: [2, 3], steps: [-1, -1] };
  const turned = g.slice(weight, backwards, dx, `${dx}/turned`);
  const apart = g.reshape(turned, [G, K / G, CG, ...kernel], `${dx}/groups`, `${dx}/apart`);
  const swapped = g.transpose(apart, [0, 2, 1, 3, 4], `${dx}/swapped`);
  const back = g.reshape(swapped, [G * CG, K / G, ...kernel], `${dx}/kernel`, `${dx}/back`);
  const pads = pad.map((p, i) => kernel[i % 2] - 1 - p);
  const window = { kernel_shape: kernel, strides: [1, 1], dilations: [1, 1], pads, group: G };
  g.node('Conv', [dy, back], dx, window);
}
