/**
 * Conv. Two spatial dimensions are reference/ops/conv2d.ts; one is the same with a height of 1; three and more are the
 * plain loop below, in the same order of terms: ascending (c, taps), then the bias, one rounding.
 *
 * Versions: 11 says what auto_pad does; 22 bfloat16. The arithmetic never changed.
 */
import { allocate, type Precision, type Storage } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, countOf, floatData, floats, workingPrecision } from '../value.ts';
import { int, ints, type Kernel, type Operators, operator, required } from './kernel.ts';
import { forEachTap, type Geometry, geometry, outputExtents, unravel } from './spatial.ts';

const conv: Kernel = (inputs, { node, precision }) => {
  const [x, w] = [required(inputs, 0), required(inputs, 1)];
  const b = inputs[2];
  const groups = int(node, 'group', 1);
  checkShapes(x, w, b, groups);
  const declared = ints(node, 'kernel_shape');
  const kernel = w.shape.slice(2);
  if (declared && declared.join() !== kernel.join()) {
    throw new Error(`kernel_shape [${declared}] is not that of the weights [${w.shape}]`);
  }
  const extents = x.shape.slice(2);
  const g = geometry(node, extents, kernel);
  const shape = [x.shape[0], w.shape[0], ...outputExtents(extents, g)];
  countOf(shape);
  const working = workingPrecision(x.dtype, precision);
  const y =
    extents.length > 2 ? convN(x, w, b, groups, g, shape, working) : conv2d(x, w, b, groups, g, working);
  return [floats(x.dtype as FloatDType, y, shape, precision)];
};

function checkShapes(x: Value, w: Value, b: Value | undefined, groups: number): void {
  if (x.shape.length < 3) throw new Error(`x must have 3 dimensions or more (shape = [${x.shape}])`);
  if (w.shape.length !== x.shape.length) {
    throw new Error(`w must have as many dimensions as x (= [${w.shape}] and [${x.shape}])`);
  }
  const [C, K] = [x.shape[1], w.shape[0]];
  if (groups < 1 || C % groups !== 0 || K % groups !== 0 || w.shape[1] * groups !== C) {
    throw new Error(`w [${w.shape}] and group = ${groups} do not fit x [${x.shape}]`);
  }
  if (b && b.shape.join() !== `${K}`) throw new Error(`the bias must have ${K} values (= [${b.shape}])`);
}

/** One or two spatial dimensions. */
function conv2d(
  x: Value,
  w: Value,
  b: Value | undefined,
  groups: number,
  g: Geometry,
  precision: Precision,
): Storage {
  const flat = g.kernel.length === 1;
  const two = (values: readonly number[], filler: number): [number, number] =>
    flat ? [filler, values[0]] : [values[0], values[1]];
  const raise = (shape: readonly number[]): readonly number[] =>
    flat ? [shape[0], shape[1], 1, shape[2]] : shape;
  const attributes: ops.conv2d.Attributes = {
    stride: two(g.strides, 1),
    pad: [...two(g.begin, 0), ...two(g.end, 0)],
    dilation: two(g.dilations, 1),
    groups,
  };
  const operands = [asTensor(x, raise(x.shape)), asTensor(w, raise(w.shape)), ...(b ? [asTensor(b)] : [])];
  return ops.conv2d.forward(operands, attributes, precision).data;
}

function convN(
  x: Value,
  w: Value,
  b: Value | undefined,
  groups: number,
  g: Geometry,
  shape: readonly number[],
  precision: Precision,
): Storage {
  const [X, F] = [floatData(x), floatData(w)];
  const B = b && floatData(b);
  const [N, K, ...positions] = shape;
  const [, C, ...extents] = x.shape;
  const CG = w.shape[1];
  const [inputSize, kernelSize, mapSize] = [extents, g.kernel, positions].map(countOf);
  const Y = allocate(countOf(shape), precision);
  for (let p = 0; p < mapSize; p++) {
    const taps: [number, number][] = [];
    forEachTap(unravel(p, positions), extents, g, (tap, input) => taps.push([tap, input]));
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const first = n * C + Math.floor(k / (K / groups)) * CG;
        let sum = 0;
        for (let c = 0; c < CG; c++) {
          const [f, at] = [(k * CG + c) * kernelSize, (first + c) * inputSize];
          for (const [tap, input] of taps) sum += F[f + tap] * X[at + input];
        }
        Y[(n * K + k) * mapSize + p] = B ? sum + B[k] : sum;
      }
    }
  }
  return Y;
}

export const operators: Operators = {
  Conv: operator('1 11 22', conv, 'auto_pad dilations group kernel_shape pads strides'),
};
