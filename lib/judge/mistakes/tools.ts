/** What wrong kernels are made of: the right kernel, called with altered tensors or attributes. */
import { dense, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { type Call, kernelOf } from './kernels.ts';

export type { Call } from './kernels.ts';

/** A kernel with one mistake. */
export interface Mutant {
  readonly operation: string;
  /** The mistake. */
  readonly name: string;
  /** The wrong result, float64. May throw where the mistake makes no sense. */
  readonly run: (call: Call) => Tensor;
}

/** The right result, float64. */
export const right = (operation: string, call: Call): Tensor => kernelOf(operation)(call);

/** Collects the mutants of one operation. */
export function mutantsOf(operation: string) {
  const list: Mutant[] = [];
  const kernel = (call: Call): Tensor => right(operation, call);
  return {
    list,
    /** Any mistake; `kernel` is the right one. */
    add(name: string, run: (call: Call, kernel: (call: Call) => Tensor) => Tensor): void {
      list.push({ operation, name, run: (call) => run(call, kernel) });
    },
    /** Wrong attributes. */
    // biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
    attributes(name: string, change: (attributes: any) => object): void {
      list.push({
        operation,
        name,
        run: ({ inputs, attributes }) =>
          kernel({ inputs, attributes: { ...attributes, ...change(attributes) } }),
      });
    },
    /** One wrong input. */
    input(name: string, key: string, change: (t: Tensor, call: Call) => Tensor): void {
      list.push({
        operation,
        name,
        run: (call) => {
          const t = call.inputs[key];
          return kernel(t ? { ...call, inputs: { ...call.inputs, [key]: change(t, call) } } : call);
        },
      });
    },
    /** A wrong result made from the right one. */
    output(name: string, change: (y: Tensor, call: Call) => Tensor): void {
      list.push({ operation, name, run: (call) => change(kernel(call), call) });
    },
  };
}

/** A tensor whose element at each index is `t` at another one; 0 where that is null or outside. */
export function gather(
  t: Tensor,
  shape: readonly number[],
  pick: (index: readonly number[]) => readonly number[] | null,
): Tensor {
  const data = new Float64Array(sizeOf(shape));
  const source = dense(t);
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    const from = pick(index);
    if (from?.every((v, axis) => v >= 0 && v < t.shape[axis])) {
      data[i] = source[from.reduce((at, v, axis) => at * t.shape[axis] + v, 0)];
    }
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
  return tensor(data, shape);
}

/** The same memory read as if its axes lay in another order: axis a of `t` is the order[a]-th from outside. */
export function misread(t: Tensor, order: readonly number[]): Tensor {
  const shape = [...t.shape];
  const laid = order.map((axis) => shape[axis]);
  const memory = tensor(Float64Array.from(dense(t)), laid);
  return gather(memory, shape, (index) => order.map((axis) => index[axis]));
}

/** The axes of a tensor exchanged. */
export const transpose = (t: Tensor, order: readonly number[]): Tensor =>
  gather(
    t,
    order.map((axis) => t.shape[axis]),
    (index) => order.map((_, axis) => index[order.indexOf(axis)]),
  );

export const roll = (t: Tensor, axis: number, by = 1): Tensor =>
  gather(t, t.shape, (index) =>
    index.map((v, a) => (a === axis ? (v + by + t.shape[axis]) % t.shape[axis] : v)),
  );

export const reverse = (t: Tensor, ...axes: number[]): Tensor =>
  gather(t, t.shape, (index) => index.map((v, a) => (axes.includes(a) ? t.shape[a] - 1 - v : v)));

/** All but [first, last) of an axis set to 0. */
export const keep = (t: Tensor, axis: number, first: number, last: number): Tensor =>
  gather(t, t.shape, (index) => (index[axis] >= first && index[axis] < last ? index : null));

/** Rounded to a significand of so many bits (8: bfloat16, 11: TF32 and float16), range aside. */
export const rounded = (t: Tensor, bits: number): Tensor =>
  tensor(
    Float64Array.from(dense(t), (v) => {
      if (v === 0 || !Number.isFinite(v)) return v;
      const unit = 2 ** (Math.floor(Math.log2(Math.abs(v))) + 1 - bits);
      return Math.round(v / unit) * unit;
    }),
    t.shape,
  );

/** y with each value put through f. */
export const each = (t: Tensor, f: (v: number) => number): Tensor =>
  tensor(Float64Array.from(dense(t), f), t.shape);
