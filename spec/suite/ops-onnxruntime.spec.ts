/**
 * Every operation that ONNX has, on onnxruntime's CPU kernels (float32), for the inputs of fixtures/ops: the oracle's
 * unrounded float64 result and onnxruntime's must agree within the error of one float32 evaluation, u = 2⁻²⁴.
 */
import { expect } from 'chai';
import { dataTypes } from '../../export/dtypes.ts';
import { attributeTypes, encodeModel, type NodeProto } from '../../export/proto.ts';
import { loadOnnxruntime } from '../../lib/runtime/onnxruntime.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, map, type Tensor, tensor } from '../../reference/tensor.ts';
import { type Case, fixtureOf } from '../support/cases.ts';
import { disagreement, gamma as gamma64, operations } from '../support/operations.ts';

const U32 = 2 ** -24;
const gamma = (n: number): number => gamma64(n, U32);
/** The smallest normal float32: kernels may flush what is below. */
const TINY = 2 ** -126;

type Value = number | readonly number[];
interface Translation {
  /** Nodes that read the case's inputs by name and write y. */
  readonly nodes: (test: Case) => NodeProto[];
  /** Largest difference of element i from the exact result. */
  readonly bound: (test: Case) => (i: number) => number;
  /** Cases that ONNX or onnxruntime cannot express, with the reason. */
  readonly without?: (test: Case) => string | false;
}

/** A node; a number is a FLOAT attribute where its name is given in `floats`, else an INT. */
function node(
  opType: string,
  input: string[],
  output: string,
  attributes: Record<string, Value> = {},
  floats = 'alpha beta bias',
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => {
    const empty = { name, floats: [], ints: [], strings: [], tensors: [], graphs: [] };
    const none = { ...empty, typeProtos: [], sparseTensors: [] };
    if (typeof value !== 'number') return { ...none, type: attributeTypes.INTS, ints: [...value] };
    if (floats.split(' ').includes(name)) return { ...none, type: attributeTypes.FLOAT, f: value };
    return { ...none, type: attributeTypes.INT, i: value };
  });
  return { opType, input, output: [output], attribute };
}

const window = ({ kernel, stride, pad, rounding }: Case['attributes']) => ({
  kernel_shape: kernel,
  strides: stride,
  pads: pad,
  ceil_mode: rounding === 'onnx' ? 1 : 0,
});
const exact = () => () => 0;
const y = (test: Case) => dense(test.expected.y);
const dot = ({ magnitude, count }: { magnitude: Tensor; count: number }) => {
  const sums = dense(magnitude);
  // γ_{m+1}·(Σ|wx| + |b|), and half of the smallest subnormal for every operation
  return (i: number) => gamma(count + 1) * sums[i] + (count + 1) * 2 ** -150;
};
const caffe = ({ attributes }: Case) => attributes.rounding === 'caffe' && "ONNX has not Caffe's rounding";

/**
 * onnxruntime's LRN keeps a running sum over channels (lrn.cc: adds the next square, subtracts the last), so its error
 * grows with all squares so far: 2C roundings of α′·Σx²; α is rounded to float32; pow within 4 ULP; a product.
 */
function lrnBound(test: Case): (i: number) => number {
  const { alpha, beta, k, size, divide } = test.attributes;
  const { x } = test.inputs;
  const [, C, H, W] = x.shape;
  const X = dense(x);
  const s = ops.lrn.denominators(x, test.attributes);
  const expected = y(test);
  const scale = divide ? alpha / size : alpha;
  return (i) => {
    const first = Math.floor(i / (C * H * W)) * C * H * W + (i % (H * W));
    let all = 0;
    for (let c = 0; c < C; c++) all += X[first + c * H * W] ** 2;
    const relative = gamma(2 * C + 4) * ((scale * all + Math.abs(k)) / s[i]);
    return (beta * relative + gamma(10)) * Math.abs(expected[i]);
  };
}

const translations: Record<string, Translation> = {
  conv2d: {
    nodes: ({ inputs: { w, b }, attributes: { stride, pad, dilation, groups } }) => [
      node('Conv', b ? ['x', 'w', 'b'] : ['x', 'w'], 'y', {
        kernel_shape: w.shape.slice(2),
        strides: stride,
        pads: pad,
        dilations: dilation,
        group: groups,
      }),
    ],
    bound: ({ inputs, attributes }) => dot(ops.conv2d.terms(Object.values(inputs), attributes)),
  },
  linear: {
    nodes: ({ inputs: { b } }) => [node('Gemm', b ? ['x', 'w', 'b'] : ['x', 'w'], 'y', { transB: 1 })],
    bound: ({ inputs }) => dot(ops.linear.terms(Object.values(inputs))),
  },
  lrn: {
    nodes: ({ attributes: { size, alpha, beta, k, divide } }) => [
      node('LRN', ['x'], 'y', { size, alpha: divide ? alpha : alpha * size, beta, bias: k }),
    ],
    bound: lrnBound,
    without: ({ attributes: { groups, size }, title }) =>
      (groups > 1 && 'LRN has no groups') ||
      (size % 2 === 0 && 'onnxruntime has odd windows alone') ||
      (title.startsWith('infinity') && "a running sum spreads one channel's infinity to all above"),
  },
  maxpool: {
    nodes: ({ attributes }) => [node('MaxPool', ['x'], 'y', window(attributes))],
    bound: exact,
    without: (test) => caffe(test) || (test.title.startsWith('NaN') && "onnxruntime's max-pool drops NaN"),
  },
  avgpool: {
    nodes: ({ attributes }) => [
      node('AveragePool', ['x'], 'y', {
        ...window(attributes),
        count_include_pad: attributes.divisor === 'valid' ? 0 : 1,
      }),
    ],
    bound: ({ inputs: { x }, attributes }) => {
      const sums = dense(ops.avgpool.forward([map(x, Math.abs)], attributes));
      return (i) => gamma(attributes.kernel[0] * attributes.kernel[1] + 1) * sums[i];
    },
    without: caffe,
  },
  adaptiveavgpool: {
    nodes: ({ inputs: { x }, expected }) => {
      const kernel = [2, 3].map((axis) => x.shape[axis] / expected.y.shape[axis]);
      return [node('AveragePool', ['x'], 'y', { kernel_shape: kernel, strides: kernel })];
    },
    bound: ({ inputs: { x }, attributes }) => {
      const sums = dense(ops.adaptiveavgpool.forward([map(x, Math.abs)], attributes));
      return (i) => gamma(x.shape[2] * x.shape[3] + 1) * sums[i];
    },
    without: ({ inputs: { x }, expected }) =>
      [2, 3].some((axis) => x.shape[axis] % expected.y.shape[axis] !== 0) && 'bins overlap: no ONNX operator',
  },
  relu: { nodes: () => [node('Relu', ['x'], 'y')], bound: exact },
  // MLAS: a clamp at ±9 (1 − tanh 9 < 2⁻²⁴), a quotient of polynomials of degree 13 and 6
  tanh: {
    nodes: () => [node('Tanh', ['x'], 'y')],
    bound: (test) => (i) => gamma(30) * Math.abs(y(test)[i]) + U32,
  },
  // MLAS: a clamp at ±18 (σ(−18) < 2⁻²⁵), a quotient of polynomials of degree 9 and 10, plus ½
  sigmoid: {
    nodes: () => [node('Sigmoid', ['x'], 'y')],
    bound: () => () => gamma(30) * 0.5 + U32,
  },
  softmax: {
    nodes: () => [node('Softmax', ['x'], 'y', { axis: 1 })],
    bound: (test) => {
      const [N, K] = test.inputs.x.shape;
      const X = dense(test.inputs.x);
      const largest = Array.from({ length: N }, (_, n) => Math.max(...X.subarray(n * K, (n + 1) * K)));
      // x − m is rounded: the exponential loses |x − m|·u (below 2⁻¹²⁶ it is gone); 2 ULP, a sum of K, a quotient
      const distance = (i: number) => Math.min(Math.abs(X[i] - largest[Math.floor(i / K)]), 104);
      return (i) => gamma(K + 8 + Math.ceil(distance(i))) * y(test)[i] + TINY;
    },
  },
  dropout: {
    nodes: () => [node('Dropout', ['x'], 'y')],
    bound: exact,
    without: ({ attributes, inputs }) =>
      (attributes.convention === 'paper' && 'a product in ONNX') ||
      (!!inputs.mask && 'masks are drawn inside'),
  },
  flatten: {
    nodes: ({ attributes, inputs: { x } }) =>
      attributes.order === 'HWC' && x.dimension === 4
        ? [node('Transpose', ['x'], 't', { perm: [0, 2, 3, 1] }), node('Flatten', ['t'], 'y', { axis: 1 })]
        : [node('Flatten', ['x'], 'y', { axis: 1 })],
    bound: exact,
  },
  concat: {
    nodes: ({ inputs }) => [node('Concat', Object.keys(inputs), 'y', { axis: 1 })],
    bound: exact,
  },
  split: {
    nodes: ({ attributes: { parts, part } }) => {
      const outputs = Array.from({ length: parts }, (_, i) => (i === part ? 'y' : `part${i}`));
      return [{ ...node('Split', ['x'], 'y', { axis: 1 }), output: outputs }];
    },
    bound: exact,
  },
};

const value = (name: string, dims: readonly number[]) => ({
  name,
  type: {
    tensorType: { elemType: dataTypes.float32, shape: { dim: dims.map((dimValue) => ({ dimValue })) } },
  },
});

/** y of one node, computed by onnxruntime on the CPU in float32. */
async function runOnnxruntime(test: Case, nodes: NodeProto[]): Promise<Tensor> {
  const ort = await loadOnnxruntime();
  const inputs = Object.entries(test.inputs);
  const model = encodeModel({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 13 }],
    graph: {
      name: 'one',
      node: nodes,
      input: inputs.map(([name, t]) => value(name, t.shape)),
      output: [value('y', test.expected.y.shape)],
      initializer: [],
      sparseInitializer: [],
      valueInfo: [],
      quantizationAnnotation: [],
    },
  });
  const session = await ort.InferenceSession.create(model, { executionProviders: ['cpu'] });
  try {
    const feeds = inputs.map(([name, t]) => [
      name,
      new ort.Tensor('float32', dense(t) as Float32Array, t.shape),
    ]);
    const result = (await session.run(Object.fromEntries(feeds))).y;
    return tensor(result.data as Float32Array, result.dims);
  } finally {
    await session.release();
  }
}

describe("the operations against onnxruntime's CPU kernels", function () {
  this.timeout(180_000);
  for (const [name, { nodes, bound, without }] of Object.entries(translations)) {
    const { cases } = fixtureOf(name);
    describe(name, () => {
      it('has cases that ONNX can express', function () {
        const reasons = new Set(cases.map((test) => without?.(test)).filter(Boolean));
        if (reasons.size > 0) this.test!.title += ` (${[...reasons].join('; ')})`;
        expect(cases.some((test) => !without?.(test))).to.equal(true);
      });
      for (const test of cases) {
        if (without?.(test)) continue;
        it(`${test.title} within the bound of one float32 evaluation`, async () => {
          const oracle = operations[name].run(test, 'float64');
          const limit = bound(test);
          const device = await runOnnxruntime(test, nodes(test));
          expect(disagreement(test, device, (_, i) => limit(i), oracle)).to.equal(null);
        });
      }
    });
  }
});
