/**
 * MaxUnpool: puts each pooled value back where MaxPool's Indices say, zeros elsewhere.
 *
 * The indices count in the shape that the window implies, stride·(in − 1) + kernel − pads; a larger
 * output_shape (third input) leaves zeros at the end of each axis (onnx's own backend test; onnxruntime
 * counts in the larger shape). Versions: 9, 11, 22 (bfloat16).
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import { countOf, elements, emptyLike, indices, numbers } from '../value.ts';
import { ints, type Kernel, type Operators, operator, required, requiredInts } from './kernel.ts';
import { perAxis, ravel, unravel } from './spatial.ts';

const maxUnpool: Kernel = (inputs, { node }) => {
  const [x, at] = [required(inputs, 0), required(inputs, 1)];
  if (x.shape.join() !== at.shape.join()) {
    throw new Error(`the indices must be shaped as x (= [${at.shape}] and [${x.shape}])`);
  }
  const rank = x.shape.length - 2;
  const kernel = requiredInts(node, 'kernel_shape');
  const strides = perAxis(node, 'strides', rank, 1);
  const pads = ints(node, 'pads') ?? new Array<number>(2 * rank).fill(0);
  if (kernel.length !== rank || pads.length !== 2 * rank) {
    throw new Error(`kernel_shape and pads must fit ${rank} spatial dimensions`);
  }
  const implied = [
    ...x.shape.slice(0, 2),
    ...x.shape.slice(2).map((n, i) => strides[i] * (n - 1) + kernel[i] - pads[i] - pads[rank + i]),
  ];
  const given = inputs[2];
  return [unpool(x, numbers(at), implied, given ? indices(given) : implied)];
};

function unpool(x: Value, at: ArrayLike<number>, implied: Shape, shape: Shape): Value {
  const limit = countOf(implied);
  if (shape.length !== implied.length || shape.some((n, axis) => n < implied[axis])) {
    throw new Error(`output_shape [${shape}] must not be smaller than the implied [${implied}]`);
  }
  const data = emptyLike(x, countOf(shape));
  const [from, to] = [elements(x.data), elements(data)];
  for (let i = 0; i < from.length; i++) {
    if (!(at[i] >= 0 && at[i] < limit)) throw new Error(`index ${at[i]} is outside [${implied}]`);
    to[ravel(unravel(at[i], implied), shape)] = from[i];
  }
  return { dtype: x.dtype, shape, data };
}

export const operators: Operators = {
  MaxUnpool: operator('9 11 22', maxUnpool, 'kernel_shape pads strides'),
};
