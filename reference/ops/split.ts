/**
 * One of `parts` equal parts of the channels: what one tower (one GPU) sees.
 *
 * Paper   section 3.5 and figure 2.
 * ONNX    Slice on axis 1 (one part), as Split would leave outputs without a reader.
 * Letters x (N,C,…), y (N,C/parts,…).
 */
import { dense, precisionOf, sizeOf, zeros } from '../tensor.ts';
import { type Backward, type Forward, gradientOf, type ShapeOf } from './operation.ts';

export interface Attributes {
  readonly parts: number;
  /** Which part, from 0. */
  readonly part: number;
}

export const shape: ShapeOf<Attributes> = ([x], { parts, part }) => {
  if (!Number.isInteger(parts) || parts < 1 || x[1] % parts !== 0) {
    throw new RangeError(`split: parts must divide channels (parts = ${parts}, channels = ${x[1]})`);
  }
  if (!Number.isInteger(part) || part < 0 || part >= parts) {
    throw new RangeError(`split: part must be an integer from 0 to ${parts - 1} (= ${part})`);
  }
  return [x[0], x[1] / parts, ...x.slice(2)];
};

export const forward: Forward<Attributes> = ([x], attributes, precision = precisionOf(x)) => {
  const y = zeros(shape([x.shape], attributes), precision);
  const X = dense(x);
  const size = sizeOf(y.shape) / y.shape[0];
  for (let n = 0; n < y.shape[0]; n++) {
    const from = (n * attributes.parts + attributes.part) * size;
    y.data.set(X.subarray(from, from + size), n * size);
  }
  return y;
};

/** dx: dy in this part's channels, 0 in the others. */
export const backward: Backward<Attributes> = (dy, [x], y, attributes, how = {}) => {
  const { precision = precisionOf(dy) } = how;
  const DY = gradientOf('split', dy, y.shape);
  const size = sizeOf(y.shape) / y.shape[0];
  const dx = zeros(x.shape, precision);
  for (let n = 0; n < y.shape[0]; n++) {
    // y.data.set(X.subarray(from, from + size), n * size)
    const from = (n * attributes.parts + attributes.part) * size;
    dx.data.set(DY.subarray(n * size, (n + 1) * size), from);
  }
  return [dx];
};
