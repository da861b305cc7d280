/** What wrong kernels are made of: the right kernel, called with altered tensors or attributes. */
import type { Kind } from '../../../reference/networks/layers.ts';
import type { Operations } from '../../../reference/oracle.ts';
import { dense, type Precision, reshape, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { operations } from '../../fast/index.ts';

/** What an operation is called with: tensors by the names x, w, b, mask (x0, x1 … of concat), and its attributes. */
export interface NamedCall {
  // biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
  readonly attributes: any;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

/** An operation as `by` computes it: the plain loops or their fast twins. Results are float64 unless said. */
export const kernelBy =
  (by: Operations, operation: string) =>
  ({ inputs, attributes }: NamedCall, precision: Precision = 'float64'): Tensor =>
    by[operation as Kind].forward(Object.values(inputs), attributes, precision);

/** A kernel with one mistake. */
export interface Mutant {
  readonly operation: string;
  /** The mistake. */
  readonly name: string;
  /** The wrong result, float64. May throw where the mistake makes no sense. */
  readonly run: (call: NamedCall) => Tensor;
}

/** The right result, float64, by the fast twins. */
export const rightResult = (operation: string, call: NamedCall): Tensor =>
  kernelBy(operations, operation)(call);

/** Collects the mutants of one operation. */
export function mutantsOf(operation: string) {
  const list: Mutant[] = [];
  const kernel = (call: NamedCall): Tensor => rightResult(operation, call);
  /** Any mistake; `kernel` is the right one. */
  const add = (name: string, run: (call: NamedCall, kernel: (call: NamedCall) => Tensor) => Tensor): void =>
    void list.push({ operation, name, run: (call) => run(call, kernel) });
  return {
    list,
    add,
    /** Wrong attributes. */
    // biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
    attributes: (name: string, change: (attributes: any) => object): void =>
      add(name, ({ inputs, attributes }) =>
        kernel({ inputs, attributes: { ...attributes, ...change(attributes) } }),
      ),
    /** One wrong input. */
    input: (name: string, key: string, change: (t: Tensor, call: NamedCall) => Tensor): void =>
      add(name, (call) => {
        const t = call.inputs[key];
        return kernel(t ? { ...call, inputs: { ...call.inputs, [key]: change(t, call) } } : call);
      }),
    /** One input left out. */
    without: (name: string, key: string): void =>
      add(name, ({ inputs: { [key]: _, ...inputs }, attributes }) => kernel({ inputs, attributes })),
    /** A wrong result made from the right one. */
    output: (name: string, change: (y: Tensor, call: NamedCall) => Tensor): void =>
      add(name, (call) => change(kernel(call), call)),
    /** Another function of each value. */
    instead: (name: string, f: (v: number) => number): void => add(name, ({ inputs: { x } }) => each(x, f)),
    /** Another operation. */
    confused: (name: string, other: string): void => add(name, (call) => rightResult(other, call)),
  };
}

/** A tensor whose element at each index is `t` at another one; 0 where that is null or outside. */
export function arranged(
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
  return arranged(reshape(t, laid), shape, (index) => order.map((axis) => index[axis]));
}

/** The axes of a tensor exchanged. */
export const transpose = (t: Tensor, order: readonly number[]): Tensor =>
  arranged(
    t,
    order.map((axis) => t.shape[axis]),
    (index) => order.map((_, axis) => index[order.indexOf(axis)]),
  );

export const roll = (t: Tensor, axis: number, by = 1): Tensor =>
  arranged(t, t.shape, (index) =>
    index.map((v, a) => (a === axis ? (v + by + t.shape[axis]) % t.shape[axis] : v)),
  );

export const reverse = (t: Tensor, ...axes: number[]): Tensor =>
  arranged(t, t.shape, (index) => index.map((v, a) => (axes.includes(a) ? t.shape[a] - 1 - v : v)));

/** All but [first, last) of an axis set to 0. */
export const keep = (t: Tensor, axis: number, first: number, last: number): Tensor =>
  arranged(t, t.shape, (index) => (index[axis] >= first && index[axis] < last ? index : null));

/** Rounded to a significand of so many bits (8: bfloat16, 11: TF32 and float16), range aside. */
export const withBits = (t: Tensor, bits: number): Tensor =>
  each(t, (v) => {
    if (v === 0 || !Number.isFinite(v)) return v;
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(v))) + 1 - bits);
    return Math.round(v / unit) * unit;
  });

/** The tensor with each value put through f, which is told its position too. */
export const each = (t: Tensor, f: (v: number, i: number) => number): Tensor =>
  tensor(new Float64Array(dense(t)).map(f), t.shape);
