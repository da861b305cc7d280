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
import { room, type TypedArray } from '../array/dtype.ts';
import { type LazyValue, widen } from '../array/value.ts';

export type Axes = 'OIHW' | 'HWIO' | 'CRSK' | 'OI' | 'IO' | 'vector';

export interface Layout {
  readonly axes: Axes;
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

/**
 * The layouts in which a tensor of that shape could be the layer's weight, its input having `x` (1,C,H,W)
 * or (1,I).
 */
export function weightLayouts(layer: Weighted, x: Shape, shape: Shape): Layout[] {
  if (layer.kind === 'linear') return linearLayouts(x[1], squeeze(shape, 2));
  const { groups } = layer.attributes;
  const [C, R, S] = [x[1] / groups, ...layer.kernel];
  const found: Layout[] = [];
  const offer = (axes: Axes, K: number) => {
    if (K > 0 && K % groups === 0) found.push({ axes, shape: [K, C, R, S] });
  };
  const is = (...extents: number[]) =>
    extents.every((extent, axis) => Number.isNaN(extent) || extent === shape[axis]);
  if (shape.length === 4) {
    if (is(Number.NaN, C, R, S)) offer('OIHW', shape[0]);
    if (is(R, S, C, Number.NaN)) offer('HWIO', shape[3]);
  }
  if (shape.length === 2 && is(C * R * S, Number.NaN)) offer('CRSK', shape[1]);
  return found;
}

function linearLayouts(inputs: number, shape: Shape): Layout[] {
  if (shape.length !== 2 || shape.includes(0)) return [];
  const found: Layout[] = [];
  if (shape[1] === inputs) found.push({ axes: 'OI', shape });
  if (shape[0] === inputs) found.push({ axes: 'IO', shape: [shape[1], shape[0]] });
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
  const moved = {
    HWIO: '(H,W,I,O) transposed to (O,I,H,W)',
    IO: '(in,out) transposed to (out,in)',
    CRSK: 'cuda-convnet (C·R·S, K) transposed to (K,C,R,S)',
    OIHW: '',
    OI: '',
    vector: '',
  }[axes];
  const order = flatten ? `inputs from flatten order H,W,C to C,H,W (${flatten.join('×')})` : '';
  return [moved, order].filter((text) => text !== '').join('; ');
}

/** The values in this project's order; the same memory where nothing moves. */
export function arrange<T extends Storage | TypedArray>(data: T, { axes, shape, flatten }: Layout): T {
  const [K, ...rest] = shape;
  const inner = sizeOf(rest);
  if (axes === 'HWIO') {
    const [C, R, S] = rest;
    return permute(data, (k, i) => (i % (R * S)) * C * K + Math.floor(i / (R * S)) * K + k, K, C * R * S);
  }
  const from = flatten ? flattenOrder(...flatten) : null;
  if (axes === 'IO' || axes === 'CRSK') return transpose(data, K, inner, from);
  return from ? permute(data, (k, i) => k * inner + from[i], K, inner) : data;
}

/** y[k,i] = x[at(k, i)], whatever the type of the values. */
function permute<T extends Storage | TypedArray>(
  data: T,
  at: (k: number, i: number) => number,
  K: number,
  inner: number,
): T {
  const result = new (data.constructor as new (size: number) => T)(data.length);
  const [to, from] = [result as Float32Array, data as Float32Array];
  for (let k = 0; k < K; k++) for (let i = 0; i < inner; i++) to[k * inner + i] = from[at(k, i)];
  return result;
}

/**
 * Tiles in which a matrix is transposed: so many inputs, so many outputs. The rows written to lie a multiple of
 * 4 KB apart, in one set of a cache of eight ways: more than eight at a time would push each other out.
 */
const [INPUTS, OUTPUTS] = [64, 8];

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

/** (inner, K) to (K, inner), its rows taken in the order `from` if there is one. */
function transpose<T extends Storage | TypedArray>(
  data: T,
  K: number,
  inner: number,
  from: Int32Array | null,
): T {
  const result = new (data.constructor as new (size: number) => T)(data.length);
  const [y, x] = [result as Float32Array, data as Float32Array];
  const rows = from ? (new (data.constructor as new (size: number) => T)(INPUTS * K) as Float32Array) : null;
  for (let left = 0; left < inner; left += INPUTS) {
    const count = Math.min(INPUTS, inner - left);
    if (from && rows) {
      for (let r = 0; r < count; r++) {
        const row = from[left + r] * K;
        rows.set(x.subarray(row, row + K), r * K);
      }
    }
    transposeRows(rows ?? x.subarray(left * K, (left + count) * K), y, { K, inner, left, count });
  }
  return result;
}

/** TypedArray that are fetched at a time. */
const PART = 2 ** 18;

/** An (in, out) matrix that lies in a file brought to (out, in) a few rows at a time, so that it is held once. */
export function arrangeParts(
  { dtype, part }: Pick<LazyValue, 'dtype'> & Required<Pick<LazyValue, 'part'>>,
  { shape, flatten }: Layout,
): Storage {
  const [K, inner] = shape;
  const from = flatten ? flattenOrder(...flatten) : null;
  const most = Math.max(1, Math.min(INPUTS, Math.floor(PART / K)));
  const rows = room(dtype, most * K);
  let result: Storage | null = null;
  for (let left = 0; left < inner; left += most) {
    const count = Math.min(most, inner - left);
    if (from) for (let r = 0; r < count; r++) part(from[left + r] * K, rows.subarray(r * K, (r + 1) * K));
    else part(left * K, rows.subarray(0, count * K));
    const values = widen({ dtype, shape: [most, K], data: rows });
    result ??= new (values.constructor as Float32ArrayConstructor)(K * inner);
    transposeRows(values as Float32Array, result as Float32Array, { K, inner, left, count });
  }
  return result ?? new Float32Array(0);
}

/** Place in H,W,C order of each value in C,H,W order. */
function flattenOrder(C: number, H: number, W: number): Int32Array {
  const order = new Int32Array(C * H * W);
  for (let c = 0; c < C; c++) for (let p = 0; p < H * W; p++) order[c * H * W + p] = p * C + c;
  return order;
}
