/**
 * A convolution as a product of matrices ("im2col"): what a window reads is a row of U (G, n·P·Q, R·S·C/G), fetched
 * by one Gather from the maps with their channels last, where a tap's channels are one block of memory. The forward
 * pass and dw take U of x, dx takes U of dy.
 *
 * Measured with onnxruntime 1.30 on two cores, cifar-alexnet, batch 128: Conv shares the work of one image and group
 * between the threads at a time, and for maps of fewer pixels than filters does im2col on one of them: its 6×6
 * layers took 30 ms each, forward and dx alike, as products 14. In pieces that stay in the cache the products take
 * 112 ms of a step instead of 135, and U needs little memory.
 */
import type { GraphBuilder } from '../graph.ts';

export interface Windows {
  readonly groups: number;
  /** P and Q. */
  readonly counts: readonly number[];
  /** R and S. */
  readonly kernel: readonly number[];
  /** The row (axis 0) or column (axis 1) that tap r of window p reads; outside of the map there are zeros. */
  readonly source: (axis: 0 | 1, p: number, r: number) => number;
}

/** U of the images `from` to `to` (exclusive). */
export interface Piece {
  readonly u: string;
  readonly from: number;
  readonly to: number;
}

/**
 * Bytes of a piece, or of what is made from it: on a CPU what stays in its cache, but at most 16 pieces; a GPU
 * wants few, and of 2²⁹ bytes so that they fit a buffer (562 MB in one worked on an H100).
 */
const PIECE = {
  cpu: { bytes: 4e6, most: 16 },
  gpu: { bytes: 2 ** 29, most: Number.POSITIVE_INFINITY },
} as const;

export const isGpu = ({ settings: { target = 'cpu' } }: GraphBuilder): boolean => target !== 'cpu';

/** U of x (N,C,H,W), in pieces; `made`: values that are made from U for each image. Values are called `<prefix>/…`. */
export function unfold(g: GraphBuilder, x: string, windows: Windows, prefix: string, made = 0): Piece[] {
  const [N, C, H, W] = g.dims(x) as number[];
  const { groups: G, counts, kernel } = windows;
  const places = counts[0] * counts[1];
  const taps = kernel[0] * kernel[1];
  const map = readPlaces(windows, H, W);
  const pixels = H * W + (map.includes(H * W) ? 1 : 0);
  const rows = g.integers(`${prefix}/blocks/shape`, [N * pixels * G, C / G]);
  const blocks = g.node('Reshape', [channelsLast(g, x, pixels, prefix), rows], `${prefix}/blocks`);
  const perGroup = Array.from({ length: G }, (_, group) => Array.from(map, (place) => place * G + group));
  const reads = g.counters(`${prefix}/reads`, perGroup.flat(), [G, 1, places, taps]);
  const bytes = 4 * N * Math.max(places * taps * C, made);
  const piece = PIECE[isGpu(g) ? 'gpu' : 'cpu'];
  const count = Math.min(N, piece.most, Math.ceil(bytes / piece.bytes));
  return Array.from({ length: count }, (_, i): Piece => {
    const from = Math.floor((i * N) / count);
    const to = Math.floor(((i + 1) * N) / count);
    const firsts = Array.from({ length: to - from }, (__, n) => (from + n) * pixels * G);
    const images = g.counters(`${prefix}/images${i}`, firsts, [1, to - from, 1, 1]);
    const indices = g.node('Add', [images, reads], `${prefix}/indices${i}`);
    const read = g.node('Gather', [blocks, indices], `${prefix}/rows${i}`, { axis: 0 });
    const shape = [G, (to - from) * places, taps * (C / G)];
    return { u: g.reshape(read, shape, `${prefix}${i}`, `${prefix}/shape${i}`), from, to };
  });
}

/**
 * (N,`pixels`,C): the maps' pixels, and where there is one more, zeros. On WebGPU the maps of a convolution lie so
 * already, and onnxruntime takes this Transpose out against its own; elsewhere two axes cost less than three.
 */
function channelsLast(g: GraphBuilder, x: string, pixels: number, prefix: string): string {
  const [N, C, H, W] = g.dims(x) as number[];
  const last =
    g.settings.target === 'webgpu'
      ? g.reshape(g.transpose(x, [0, 2, 3, 1], `${prefix}/maps`), [N, H * W, C], `${prefix}/last`)
      : g.transpose(g.reshape(x, [N, C, H * W], `${prefix}/flat`), [0, 2, 1], `${prefix}/last`);
  return pixels === H * W ? last : g.pad(last, [0, 0, 0, 0, 1, 0], prefix);
}

/** For each window the pixels that its taps read, H·W outside of the map: (P·Q, R·S). */
function readPlaces({ counts, kernel, source }: Windows, H: number, W: number): Int32Array {
  const [P, Q] = counts;
  const [R, S] = kernel;
  return new Int32Array(P * Q * R * S).map((_, i) => {
    const p = Math.floor(i / (S * R * Q));
    const q = Math.floor(i / (S * R)) % Q;
    const h = source(0, p, Math.floor(i / S) % R);
    const w = source(1, q, i % S);
    return h >= 0 && h < H && w >= 0 && w < W ? h * W + w : H * W;
  });
}

/** A·Uᵀ for A (G, K/G, R·S·C/G), as maps (N,K,P,Q). onnxruntime makes Transpose and MatMul one FusedMatMul. */
export function productMaps(
  g: GraphBuilder,
  a: string,
  pieces: readonly Piece[],
  [K, P, Q]: readonly number[],
  output: string,
): string {
  const maps = pieces.map(({ u, from, to }, i) => {
    const name = pieces.length === 1 ? output : `${output}/piece${i}`;
    const product = g.node('MatMul', [a, g.transpose(u, [0, 2, 1], `${name}/columns`)], `${name}/product`);
    const planes = g.reshape(product, [K, to - from, P * Q], `${name}/planes`);
    const images = g.transpose(planes, [1, 0, 2], `${name}/images`);
    return g.reshape(images, [to - from, K, P, Q], name, `${name}/maps/shape`);
  });
  return maps.length === 1 ? maps[0] : g.node('Concat', maps, output, { axis: 0 });
}
