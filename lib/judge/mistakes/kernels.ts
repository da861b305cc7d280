/** Every operation under one signature: a call in, its result out. */
import type { Operations } from '../../../reference/oracle.ts';
import { dense, type Precision, type Tensor } from '../../../reference/tensor.ts';
import * as fast from '../../fast/index.ts';
import type { Call } from './tools.ts';

export type Kernel = (call: Call, precision?: Precision) => Tensor;

const mask = ({ inputs }: Call): Uint8Array | null =>
  inputs.mask ? Uint8Array.from(dense(inputs.mask)) : null;

/** The operations as `by` computes them: the plain loops or their fast twins. Results are float64 unless said. */
export const kernelsBy = (by: Operations): Readonly<Record<keyof Operations, Kernel>> => ({
  conv2d: ({ inputs: { x, w, b }, attributes }, precision = 'float64') =>
    by.conv2d.forward(x, w, b ?? null, attributes, precision).y,
  linear: ({ inputs: { x, w, b } }, precision = 'float64') => by.linear.forward(x, w, b ?? null, precision).y,
  lrn: ({ inputs: { x }, attributes }, precision = 'float64') => by.lrn.forward(x, attributes, precision).y,
  mapnorm: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.mapnorm.forward(x, attributes, precision).y,
  maxpool: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.maxpool.forward(x, attributes, precision).y,
  avgpool: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.avgpool.forward(x, attributes, precision).y,
  adaptiveavgpool: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.adaptiveavgpool.forward(x, attributes, precision).y,
  relu: ({ inputs: { x } }, precision = 'float64') => by.relu.forward(x, precision).y,
  tanh: ({ inputs: { x } }, precision = 'float64') => by.tanh.forward(x, precision).y,
  sigmoid: ({ inputs: { x } }, precision = 'float64') => by.sigmoid.forward(x, precision).y,
  softmax: ({ inputs: { x } }, precision = 'float64') => by.softmax.forward(x, precision).y,
  dropout: (call, precision = 'float64') =>
    by.dropout.forward(call.inputs.x, call.attributes, mask(call), precision).y,
  flatten: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.flatten.forward(x, attributes, precision).y,
  concat: ({ inputs }, precision = 'float64') => by.concat.forward(Object.values(inputs), precision).y,
  split: ({ inputs: { x }, attributes }, precision = 'float64') =>
    by.split.forward(x, attributes, precision).y,
});

/** By the fast twins, whose bits are the plain loops'. */
export const kernels: Readonly<Record<string, Kernel>> = kernelsBy(fast);
