/**
 * Tensors: ndarray views over Float32Array (what an engine stores) or Float64Array (the yardstick).
 *
 * Letters used everywhere: N batch, C in-channels, K out-channels, H W input, P Q output, R S kernel, G groups.
 * Loops never call get() and set(): they take `dense(t)` once, row-major data that starts at 0, and index it flat.
 */
import ndarray, { type NdArray } from 'ndarray';
import { must, mustBeShape, mustBeTensor } from './named.ts';
import { plainView } from './view.ts';

export type Shape = readonly number[];
export type Storage = Float32Array | Float64Array;
/** What is stored between layers. Accumulation is float64 in either case. */
export type Precision = 'float32' | 'float64';
export type Tensor = NdArray<Storage>;

/** Number of elements of a shape; 1 for the empty shape. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1);

/** A typed array of `size` zeros. */
export const allocate = (size: number, precision: Precision): Storage =>
  precision === 'float64' ? new Float64Array(size) : new Float32Array(size);

/** A tensor over `data` (not copied), row-major. Throws RangeError if the lengths disagree. */
export function tensor(data: Storage, shape: Shape): Tensor {
  must(
    data instanceof Float32Array || data instanceof Float64Array,
    'data',
    'a Float32Array or a Float64Array',
    data,
  );
  mustBeShape('shape', shape);
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`tensor: shape [${shape}] needs ${sizeOf(shape)} values (data has ${data.length})`);
  }
  return viewOf(data, shape);
}

function viewOf(data: Storage, shape: Shape): Tensor {
  try {
    return ndarray(data, [...shape]);
  } catch (error) {
    if (error instanceof EvalError) return plainView(data, shape);
    throw error;
  }
}

/** A tensor of zeros. */
export function zeros(shape: Shape, precision: Precision = 'float32'): Tensor {
  mustBeShape('shape', shape);
  return tensor(allocate(sizeOf(shape), precision), shape);
}

export const precisionOf = (t: Tensor): Precision => (t.data instanceof Float64Array ? 'float64' : 'float32');

function isDense(t: Tensor): boolean {
  let stride = 1;
  for (let axis = t.dimension - 1; axis >= 0; axis--) {
    if (t.shape[axis] !== 1 && t.stride[axis] !== stride) return false;
    stride *= t.shape[axis];
  }
  return true;
}

/** The values in row-major order, from index 0: the tensor's own memory where it already lies so, else a copy. */
export function dense(t: Tensor): Storage {
  mustBeTensor('tensor', t);
  const size = sizeOf(t.shape);
  if (isDense(t)) {
    return t.offset === 0 && t.data.length === size ? t.data : t.data.subarray(t.offset, t.offset + size);
  }
  const copy = allocate(size, precisionOf(t));
  const index = new Array<number>(t.dimension).fill(0);
  for (let i = 0; i < size; i++) {
    let at = t.offset;
    for (let axis = 0; axis < index.length; axis++) at += index[axis] * t.stride[axis];
    copy[i] = t.data[at];
    for (let axis = index.length - 1; axis >= 0 && ++index[axis] === t.shape[axis]; axis--) index[axis] = 0;
  }
  return copy;
}

/** The same values in another precision; the tensor itself where it has that precision already. */
export function cast(t: Tensor, precision: Precision): Tensor {
  mustBeTensor('tensor', t);
  if (precisionOf(t) === precision) return t;
  const data = allocate(sizeOf(t.shape), precision);
  data.set(dense(t));
  return tensor(data, t.shape);
}

/** The same values under another shape of equal size. */
export const reshape = (t: Tensor, shape: Shape): Tensor => tensor(dense(t), shape);

/** |t|, in the precision of t. */
export function magnitudes(t: Tensor): Tensor {
  const to = dense(t).slice();
  for (let i = 0; i < to.length; i++) to[i] = Math.abs(to[i]);
  return tensor(to, t.shape);
}

/** t², in float64: of float32 values they are exact there. */
export function squares(t: Tensor): Tensor {
  const to = new Float64Array(dense(t));
  for (let i = 0; i < to.length; i++) to[i] *= to[i];
  return tensor(to, t.shape);
}

/** f of every value, in float64: squares and absolute values of float32 numbers are exact there. */
export function map(t: Tensor, f: (value: number) => number): Tensor {
  const from = dense(t);
  const to = new Float64Array(from.length);
  for (let i = 0; i < from.length; i++) to[i] = f(from[i]);
  return tensor(to, t.shape);
}
