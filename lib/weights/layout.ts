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
import type { Values } from '../format/array.ts';

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
export function arrange<T extends Storage | Values>(data: T, { axes, shape, flatten }: Layout): T {
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
function permute<T extends Storage | Values>(
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

/** Side of the squares in which a matrix is transposed, so that both sides stay in the cache. */
const SQUARE = 64;

/** (inner, K) to (K, inner), its rows taken in the order `from` if there is one. */
function transpose<T extends Storage | Values>(
  data: T,
  K: number,
  inner: number,
  from: Int32Array | null,
): T {
  const result = new (data.constructor as new (size: number) => T)(data.length);
  const [y, x] = [result as Float32Array, data as Float32Array];
  for (let top = 0; top < inner; top += SQUARE) {
    const bottom = Math.min(top + SQUARE, inner);
    for (let left = 0; left < K; left += SQUARE) {
      const right = Math.min(left + SQUARE, K);
      for (let i = top; i < bottom; i++) {
        const row = (from ? from[i] : i) * K;
        for (let k = left; k < right; k++) y[k * inner + i] = x[row + k];
      }
    }
  }
  return result;
}

/** Values that are fetched at a time. */
const PART = 2 ** 20;

/** An (in, out) matrix that lies in a file brought to (out, in) a few rows at a time, so that it is held once. */
export function arrangeParts(
  part: (first: number, count: number) => Storage,
  { shape, flatten }: Layout,
): Storage {
  const [K, inner] = shape;
  const column = new Int32Array(inner);
  const from = flatten ? flattenOrder(...flatten) : null;
  for (let i = 0; i < inner; i++) column[from ? from[i] : i] = i;
  const rows = Math.max(1, Math.floor(PART / K));
  let result: Storage | null = null;
  for (let top = 0; top < inner; top += rows) {
    const count = Math.min(rows, inner - top);
    const values = part(top * K, count * K);
    result ??= new (values.constructor as Float32ArrayConstructor)(K * inner);
    for (let left = 0; left < K; left += SQUARE) {
      const right = Math.min(left + SQUARE, K);
      for (let r = 0; r < count; r++) {
        const i = column[top + r];
        for (let k = left; k < right; k++) result[k * inner + i] = values[r * K + k];
      }
    }
  }
  return result ?? new Float32Array(0);
}

/** Place in H,W,C order of each value in C,H,W order. */
function flattenOrder(C: number, H: number, W: number): Int32Array {
  const order = new Int32Array(C * H * W);
  for (let c = 0; c < C; c++) for (let p = 0; p < H * W; p++) order[c * H * W + p] = p * C + c;
  return order;
}
