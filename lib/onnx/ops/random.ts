/**
 * Operators that draw: RandomNormal RandomUniform RandomNormalLike RandomUniformLike Bernoulli Multinomial.
 *
 * ONNX names no generator, so the numbers are this project's own (reference/random.ts, by the output's name): right in
 * type, shape and distribution, and comparable with nobody's. Versions: 22 bfloat16.
 */
import { fillNormals, streamOf, uniform, words } from '../../../reference/random.ts';
import { type Shape, sizeOf } from '../../../reference/tensor.ts';
import { type DType, dtypeOfOnnx, isFloat, isInteger } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { bools, countOf, floatData, floats, integers } from '../value.ts';
import { type Call, type Kernel, type Operators, operator } from './kernel.ts';

const drawn = ({ node }: Call, count: number): number[] =>
  Array.from(words(0, streamOf(node.outputs[0]), count), uniform);

function dtypeFor(call: Call, otherwise: DType): DType {
  const dtype = call.has('dtype') ? dtypeOfOnnx(call.int('dtype')) : otherwise;
  if (!dtype) throw new Error(`dtype ${call.int('dtype')} is not known`);
  return dtype;
}

/** The numbers as the node's type has them. */
function typed(call: Call, dtype: DType, data: Float64Array, shape: Shape): Value {
  if (isFloat(dtype)) return floats(dtype, data, shape, call.precision);
  if (isInteger(dtype)) return integers(dtype, (i) => BigInt(data[i]), shape);
  if (dtype === 'bool') return bools(Uint8Array.from(data), shape);
  throw new Error(`dtype ${dtype} is not known`);
}

type Draw = (call: Call, count: number) => Float64Array;

const normal: Draw = (call, count) => {
  const data = new Float64Array(count);
  fillNormals(data, 0, streamOf(call.node.outputs[0]), call.float('scale', 1));
  return data.map((v) => v + call.float('mean', 0));
};

const even: Draw = (call, count) => {
  const low = call.float('low', 0);
  const width = call.float('high', 1) - low;
  return new Float64Array(drawn(call, count)).map((u) => low + width * u);
};

const ofShape =
  (draw: Draw): Kernel =>
  (call) => {
    const shape = call.requiredInts('shape');
    return typed(call, dtypeFor(call, 'float32'), draw(call, countOf(shape)), shape);
  };

const like =
  (draw: Draw): Kernel =>
  (call) => {
    const { dtype, shape } = call.input(0);
    return typed(call, dtypeFor(call, dtype), draw(call, sizeOf(shape)), shape);
  };

/** 1 with the probability that x gives, else 0. */
const bernoulli: Draw = (call, count) => {
  const p = floatData(call.input(0));
  return new Float64Array(drawn(call, count)).map((u, i) => Number(u < p[i]));
};

/** Of each row of log-probabilities, up to a constant, `sample_size` classes. */
const multinomial: Kernel = (call) => {
  const { shape } = call.input(0);
  const [N, K] = shape;
  const x = floatData(call.input(0));
  const samples = call.int('sample_size', 1);
  const data = new Float64Array(drawn(call, countOf([N, samples]))).map((u, i) => {
    const first = Math.floor(i / samples) * K;
    const row = Array.from(x.subarray(first, first + K));
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const p = row.map((v) => Math.exp(v - most));
    let left = u * p.reduce((a, b) => a + b, 0);
    const at = p.findIndex((v) => {
      left -= v;
      return left < 0;
    });
    return at < 0 ? K - 1 : at;
  });
  return typed(call, dtypeFor(call, 'int32'), data, [N, samples]);
};

export const operators: Operators = {
  RandomNormal: operator('1 22', ofShape(normal), 'dtype mean scale seed shape'),
  RandomUniform: operator('1 22', ofShape(even), 'dtype high low seed shape'),
  RandomNormalLike: operator('1 22', like(normal), 'dtype mean scale seed'),
  RandomUniformLike: operator('1 22', like(even), 'dtype high low seed'),
  Bernoulli: operator('15 22', like(bernoulli), 'dtype seed'),
  Multinomial: operator('7 22', multinomial, 'dtype sample_size seed'),
};
