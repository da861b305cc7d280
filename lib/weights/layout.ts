/**
 * How the axes of a weight lie in a file, and bringing them to this project's order: (K,C/G,R,S) for a
 * convolution, (O,I) for a fully connected layer whose inputs are flattened as C,H,W.
 *
 *   OIHW, OI   Caffe, PyTorch, ONNX                        as it is
 *   HWIO       TensorFlow                                  (R,S,C/G,K)
 *   IO         TensorFlow, cuda-convnet, Gemm without transB
 *   CRSK       cuda-convnet                                (C/G·R·S, K), row order c,y,x
 *   flatten    TensorFlow flattens H,W,C                   inputs of the first fully connected layer permuted
 */
import type { Layer } from '../../reference/networks/layers.ts';
import { type Shape, type Storage, sizeOf } from '../../reference/tensor.ts';
import { type TypedArray, zerosOf } from '../array/dtype.ts';
import { type LazyValue, widen } from '../array/value.ts';

export interface Layout {
  readonly axes: 'OIHW' | 'HWIO' | 'CRSK' | 'OI' | 'IO' | 'vector';
  /** The shape in this project's order. */
  readonly shape: Shape;
  /** Extents (C,H,W) whose flattening as H,W,C is undone. */
  readonly flatten?: readonly [number, number, number];
}

export type Weighted = Layer & { readonly kind: 'conv2d' | 'linear' };

/** Without the ones that come before the first other extent: Caffe's legacy 1×1×N×K. */
function squeeze(shape: Shape, rank: number): Shape {
  const extra = shape.length - rank;
  return extra > 0 && shape.slice(0, extra).every((extent) => extent === 1) ? shape.slice(extra) : shape;
}

/** A convolution whose kernel covers the map, (K,C,R,S), as the fully connected layer that it is: (K, C·R·S). */
const asMatrix = (shape: Shape): Shape => (shape.length === 4 ? [shape[0], sizeOf(shape.slice(1))] : shape);

/**
 * The layouts in which a tensor of that shape could be the layer's weight, its input having `x` (1,C,H,W)
 * or (1,I).
 */
export function weightLayouts(layer: Weighted, x: Shape, shape: Shape): Layout[] {
  if (layer.kind === 'linear') return linearLayouts(x[1], asMatrix(squeeze(shape, 2)));
  const { groups } = layer.attributes;
  const C = x[1] / groups;
  const [R, S] = layer.kernel;
  const offers = [
    { axes: 'OIHW', K: shape[0], extents: [shape[0], C, R, S] },
    { axes: 'HWIO', K: shape[3], extents: [R, S, C, shape[3]] },
    { axes: 'CRSK', K: shape[1], extents: [C * R * S, shape[1]] },
  ] as const;
  return offers
    .filter(({ K, extents }) => extents.join() === shape.join() && K > 0 && K % groups === 0)
    .map(({ axes, K }) => ({ axes, shape: [K, C, R, S] }));
}

function linearLayouts(inputs: number, shape: Shape): Layout[] {
  if (shape.length !== 2 || shape.includes(0)) return [];
  const found: Layout[] = [];
  if (shape[1] === inputs) found.push({ axes: 'OI', shape });
  if (shape[0] === inputs) found.push({ axes: 'IO', shape: shape.toReversed() });
  return found;
}

/** The layout of a bias of K values; null if the shape is none. */
export function biasLayout(K: number, shape: Shape): Layout | null {
  const flat = shape.filter((extent) => extent !== 1);
  const fits = sizeOf(shape) === K && flat.length <= 1 && shape.length > 0;
  return fits ? { axes: 'vector', shape: [K] } : null;
}

/** One line for people; empty where nothing is moved. */
export function describeLayout({ axes, flatten }: Layout): string {
  const moves: { readonly [axes in Layout['axes']]?: string } = {
    HWIO: '(H,W,I,O) transposed to (O,I,H,W)',
    IO: '(in,out) transposed to (out,in)',
    CRSK: 'cuda-convnet (C·R·S, K) transposed to (K,C,R,S)',
  };
  const order = flatten ? `inputs from flatten order H,W,C to C,H,W (${flatten.join('×')})` : '';
  return [moves[axes] ?? '', order].filter((text) => text !== '').join('; ');
}

/** The values in this project's order; the same memory where nothing moves. */
export function arrange<T extends Storage | TypedArray>(data: T, { axes, shape, flatten }: Layout): T {
  const [K, ...rest] = shape;
  const inner = sizeOf(rest);
  // HWIO is a matrix (H·W·I, O): its rows are brought to the order I,H,W
  const extents = axes === 'HWIO' ? (rest as [number, number, number]) : flatten;
  const from = extents ? flattenOrder(...extents) : null;
  const inOut = axes === 'IO' || axes === 'HWIO' || axes === 'CRSK';
  if (!inOut && !from) return data;
  const result = new (data.constructor as new (size: number) => T)(data.length);
  const x = data as Float32Array; // of whatever type: values are moved alone
  const y = result as Float32Array;
  if (inOut) {
    const rows = new (data.constructor as new (size: number) => T)(INPUTS * K) as Float32Array;
    const read = (first: number, into: Float32Array) => into.set(x.subarray(first, first + into.length));
    transpose(rows, read, { K, inner, from }, (left, count) =>
      transposeRows(rows, y, { K, inner, left, count }),
    );
  } else if (from) {
    for (let k = 0; k < K; k++) for (let i = 0; i < inner; i++) y[k * inner + i] = x[k * inner + from[i]];
  }
  return result;
}

/** Values that are fetched at a time. */
const PART = 2 ** 18;

/** An (in, out) matrix that lies in a file brought to (out, in) a few rows at a time, so that it is held once. */
export function arrangeParts(
  { dtype, part }: Pick<LazyValue, 'dtype'> & Required<Pick<LazyValue, 'part'>>,
  { shape, flatten }: Layout,
): Storage {
  const [K, inner] = shape;
  const from = flatten ? flattenOrder(...flatten) : null;
  const most = Math.max(1, Math.min(INPUTS, Math.floor(PART / K)));
  const rows = zerosOf(dtype, most * K);
  let result: Storage = new Float32Array(0);
  transpose(rows, part, { K, inner, from }, (left, count) => {
    const values = widen({ dtype, shape: [most, K], data: rows });
    if (left === 0) result = new (values.constructor as Float32ArrayConstructor)(K * inner);
    transposeRows(values as Float32Array, result as Float32Array, { K, inner, left, count });
  });
  return result;
}

/**
 * Fills `rows` with as many rows of a matrix (inner, K) as it holds, in the order `from` if there is one, and has each
 * lot `put` into its columns, until all are.
 */
function transpose<T extends TypedArray>(
  rows: T,
  read: (first: number, into: T) => void,
  { K, inner, from }: { K: number; inner: number; from: Int32Array | null },
  put: (left: number, count: number) => void,
): void {
  const most = rows.length / K;
  const zerosOf = (first: number, count: number) => rows.subarray(first * K, (first + count) * K) as T;
  for (let left = 0; left < inner; left += most) {
    const count = Math.min(most, inner - left);
    if (from) for (let r = 0; r < count; r++) read(from[left + r] * K, zerosOf(r, 1));
    else read(left * K, zerosOf(0, count));
    put(left, count);
  }
}

/**
 * Tiles in which a matrix is transposed: so many inputs, so many outputs. The rows written to lie a multiple of
 * 4 KB apart, in one set of a cache of eight ways: more than eight at a time would push each other out.
 */
const INPUTS = 64;
const OUTPUTS = 8;

/** y[k, left + r] = x[r, k] for `count` rows r of K values. */
function transposeRows(
  x: Float32Array,
  y: Float32Array,
  { K, inner, left, count }: { K: number; inner: number; left: number; count: number },
): void {
  for (let top = 0; top < K; top += OUTPUTS) {
    const bottom = Math.min(top + OUTPUTS, K);
    for (let r = 0; r < count; r++) {
      for (let k = top; k < bottom; k++) y[k * inner + left + r] = x[r * K + k];
    }
  }
}

/** Place in H,W,C order of each value in C,H,W order. */
function flattenOrder(C: number, H: number, W: number): Int32Array {
  const order = new Int32Array(C * H * W);
  for (let c = 0; c < C; c++) for (let p = 0; p < H * W; p++) order[c * H * W + p] = p * C + c;
  return order;
}
