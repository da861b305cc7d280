/**
 * ndarray's view where ndarray cannot make one: it compiles a class for each number of dimensions from a string, which
 * a strict content security policy and `node --disallow-code-generation-from-strings` forbid. Same properties, same
 * methods, same results (github.com/scijs/ndarray), at the price of loops over the axes.
 */
import type { NdArray } from 'ndarray';

type Storage = Float32Array | Float64Array;

/** A row-major view of `data`. */
export const plainView = (data: Storage, shape: readonly number[]): NdArray<Storage> => {
  const stride = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) stride[axis] = stride[axis + 1] * shape[axis + 1];
  return new View(data, [...shape], stride, 0);
};

type At = number | null | undefined;

/** An argument that selects: ndarray passes over what is not a number, or below 0. */
const given = (at: At): at is number => typeof at === 'number' && at >= 0;

class View implements NdArray<Storage> {
  data: Storage;
  shape: number[];
  stride: number[];
  offset: number;

  constructor(data: Storage, shape: number[], stride: number[], offset: number) {
    this.data = data;
    this.shape = shape;
    this.stride = stride;
    this.offset = offset;
  }

  get dtype() {
    return (this.data instanceof Float64Array ? 'float64' : 'float32') as NdArray<Storage>['dtype'];
  }

  get dimension() {
    return this.shape.length;
  }

  get size() {
    return this.shape.reduce((product, extent) => product * extent, 1);
  }

  /** Axes, the smallest stride first. */
  get order() {
    const axes = this.shape.map((_, axis) => axis);
    return axes.sort((a, b) => Math.abs(this.stride[a]) - Math.abs(this.stride[b]));
  }

  get T() {
    return this.transpose(...this.shape.map((_, axis) => this.shape.length - 1 - axis));
  }

  index(...at: number[]) {
    return this.stride.reduce((sum, stride, axis) => sum + stride * at[axis], this.offset);
  }

  get(...at: number[]) {
    return this.data[this.index(...at)];
  }

  set(...args: number[]) {
    const value = args[this.shape.length];
    this.data[this.index(...args)] = value;
    return value;
  }

  /** The first so many of each axis. */
  hi(...at: number[]) {
    const shape = this.shape.map((extent, axis) => (given(at[axis]) ? at[axis] | 0 : extent));
    return new View(this.data, shape, this.stride, this.offset);
  }

  /** Without the first so many of each axis. */
  lo(...at: number[]) {
    const from = this.shape.map((_, axis) => (given(at[axis]) ? at[axis] | 0 : 0));
    const shape = this.shape.map((extent, axis) => extent - from[axis]);
    return new View(this.data, shape, this.stride, this.index(...from));
  }

  /** Every n-th of each axis, backwards where n is negative. */
  step(...by: number[]) {
    const shape = [...this.shape];
    const stride = [...this.stride];
    let offset = this.offset;
    for (const [axis, n] of by.entries()) {
      if (typeof n !== 'number') continue;
      const d = n | 0;
      if (d < 0) offset += stride[axis] * (shape[axis] - 1);
      shape[axis] = Math.ceil(shape[axis] / Math.abs(d));
      stride[axis] *= d;
    }
    return new View(this.data, shape, stride, offset);
  }

  transpose(...axes: number[]) {
    const order = this.shape.map((_, axis) => axes[axis] ?? axis);
    const shape = order.map((axis) => this.shape[axis]);
    const stride = order.map((axis) => this.stride[axis]);
    return new View(this.data, shape, stride, this.offset);
  }

  /** The slice at the given places; an axis with a place goes. */
  pick(...at: At[]) {
    const kept = this.shape.map((_, axis) => axis).filter((axis) => !given(at[axis]));
    const from = this.shape.map((_, axis) => (given(at[axis]) ? (at[axis] as number) : 0));
    const shape = kept.map((axis) => this.shape[axis]);
    const stride = kept.map((axis) => this.stride[axis]);
    return new View(this.data, shape, stride, this.index(...from));
  }
}
