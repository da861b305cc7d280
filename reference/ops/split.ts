/**
 * One of `parts` equal parts of the channels: what one tower (one GPU) sees.
 *
 * Paper   section 3.5 and figure 2.
 * ONNX    Slice on axis 1 (one part), as Split would leave outputs without a reader.
 * Letters x (N,C,…), y (N,C/parts,…).
 */
import {
  allocate,
  dense,
  type Precision,
  precisionOf,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from '../tensor.ts';
import { gradientOf } from './dy.ts';

export interface Attributes {
  readonly parts: number;
  /** Which part, from 0. */
  readonly part: number;
}

export function shape(x: Shape, { parts, part }: Attributes): Shape {
  if (!Number.isInteger(parts) || parts < 1 || x[1] % parts !== 0) {
    throw new Error(`split: parts must divide channels (parts = ${parts}, channels = ${x[1]})`);
  }
  if (!Number.isInteger(part) || part < 0 || part >= parts) {
    throw new Error(`split: part must be an integer from 0 to ${parts - 1} (= ${part})`);
  }
  return [x[0], x[1] / parts, ...x.slice(2)];
}

export function forward(
  x: Tensor,
  attributes: Attributes,
  precision: Precision = precisionOf(x),
): { y: Tensor } {
  const yShape = shape(x.shape, attributes);
  const X = dense(x);
  const size = sizeOf(yShape) / yShape[0];
  const Y = allocate(sizeOf(yShape), precision);
  for (let n = 0; n < yShape[0]; n++) {
    const from = (n * attributes.parts + attributes.part) * size;
    Y.set(X.subarray(from, from + size), n * size);
  }
  return { y: tensor(Y, yShape) };
}

/** dx, for an x of shape `x`: dy in this part's channels, 0 in the others. */
export function backward(
  dy: Tensor,
  x: Shape,
  attributes: Attributes,
  precision: Precision = precisionOf(dy),
): { dx: Tensor } {
  const yShape = shape(x, attributes);
  const size = sizeOf(yShape) / yShape[0];
  const DY = gradientOf('split', dy, yShape);
  const DX = allocate(sizeOf(x), precision);
  for (let n = 0; n < yShape[0]; n++) {
    // Y.set(X.subarray(from, from + size), n * size)
    const from = (n * attributes.parts + attributes.part) * size;
    DX.set(DY.subarray(n * size, (n + 1) * size), from);
  }
  return { dx: tensor(DX, x) };
}
