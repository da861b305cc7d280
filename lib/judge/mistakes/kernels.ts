/** Every operation under one signature: a call in, its result out. */
import type { Kind } from '../../../reference/networks/layers.ts';
import type { Operations } from '../../../reference/oracle.ts';
import type { Precision, Tensor } from '../../../reference/tensor.ts';
import { operations } from '../../fast/index.ts';

/** What an operation is called with: tensors by the names x, w, b, mask (x0, x1 … of concat), and its attributes. */
export interface Call {
  // biome-ignore lint/suspicious/noExplicitAny: each operation has its own attributes
  readonly attributes: any;
  readonly inputs: Readonly<Record<string, Tensor>>;
}

export type Kernel = (call: Call, precision?: Precision) => Tensor;

/** An operation as `by` computes it: the plain loops or their fast twins. Results are float64 unless said. */
export const kernelBy =
  (by: Operations, operation: string): Kernel =>
  ({ inputs, attributes }, precision = 'float64') =>
    by[operation as Kind].forward(Object.values(inputs), attributes, precision);

/** By the fast twins, whose bits are the plain loops'. */
export const kernelOf = (operation: string): Kernel => kernelBy(operations, operation);
