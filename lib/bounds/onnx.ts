/**
 * Bounds for the nodes of any ONNX graph. docs/error-bounds.md derives them; the ones for AlexNet's own operations are
 * those of operations.ts. A sum is bounded by the same node run on absolute values, as in Arm's TOSA verifiers.
 */
import { sizeOf } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model, Node } from '../onnx/model.ts';
import { Attributes } from '../onnx/ops/kernel.ts';
import { takesBatchStatistics } from '../onnx/ops/normalisation.ts';
import { asTensor, floatData } from '../onnx/value.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  MIN_NORMAL,
  U32,
} from './arithmetic.ts';
import { type Bounds, type BoundsContext, copied, largest, relativeTo } from './bounds.ts';
import { softmaxBounds } from './normalisers.ts';
import { boundsOf } from './operations.ts';
import { expectationFactor, sequentialNoise } from './products.ts';

interface NodeContext extends Pick<BoundsContext, 'device' | 'operands'> {
  readonly model: Model;
  readonly node: Node;
  /** The device's values that the node reads, by name. */
  readonly values: ReadonlyMap<string, Value>;
  /** ŷ: the node's first output in float64. */
  readonly exact: Value;
}

/** null: none is known. */
type Rule = (context: NodeContext, device: DeviceArithmetic) => Bounds | null;

/**
 * Bounds of a node's first output: a layer's own where the node is one (they come with fast kernels), else those
 * of its operator; null where none is known.
 */
export const nodeBounds = (context: NodeContext): Bounds | null =>
  asLayer(context) ?? rules[context.node.op]?.(context, arithmetic[context.device]) ?? null;

/** The bounds of the layer that the node is; LRN of any type and any number of axes. */
function asLayer({ model, node, values, exact, device, operands }: NodeContext): Bounds | null {
  const flat = ({ shape: [N, C, ...plane] }: Value) => [N, C, sizeOf(plane), 1];
  const isLrn = node.op === 'LRN';
  const read = node.inputs.map((name): Value | undefined => {
    const value = values.get(name);
    return value && isLrn ? { ...value, dtype: 'float32', shape: flat(value) } : value;
  });
  const found = layerOf(model, node, read);
  if (!found) return null;
  const about = { device, operands, half: false, runningSum: device !== 'cuda' };
  const y = asTensor(exact, isLrn ? flat(exact) : exact.shape);
  return boundsOf(found.layer, found.inputs, y, found.weights, about);
}

const fill = ({ exact }: NodeContext, bound: (y: number, i: number) => number): Bounds => ({
  bound: Float64Array.from(floatData(exact), bound),
});

/** Values are only chosen or moved. */
const exactly: Rule = ({ exact }, device) => copied(asTensor(exact), device);

/** Relative error of `ulp`·u, and an absolute one where the result underflows. */
const relatively =
  (ulp: (device: DeviceArithmetic, y: number, context: NodeContext, i: number) => number): Rule =>
  (context, device) => {
    const tiny = device.flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
    return fill(context, (y, i) =>
      Number.isFinite(y) ? ulp(device, y, context, i) * U32 * Math.abs(y) + tiny : 0,
    );
  };

/** The node's first output where every float input is replaced by f of it; f is told the input's place too. */
function onInputs(
  { model, node, values }: NodeContext,
  f: (v: number, input: number) => number,
): Float64Array {
  const changed = new Map(values);
  for (const [at, name] of node.inputs.entries()) {
    const value = values.get(name);
    if (value && isFloat(value.dtype))
      changed.set(name, { ...value, data: Float64Array.from(floatData(value), (v) => f(v, at)) });
  }
  const result = evaluateNode(model, node, changed, 'float64').get(node.outputs[0]);
  return floatData(result as Value) as Float64Array;
}

/** Σ|terms| of a sum of `count` terms, each a product of at most two inputs: γ_{count+1+extra}·Σ|terms| + τ. */
const sums =
  (count: (context: NodeContext) => number, products: boolean, extra = 0): Rule =>
  (context, device) => {
    const n = count(context);
    const magnitude = onInputs(context, Math.abs);
    const t = products ? context.operands.t : 0;
    const relative = gamma(n + 1 + extra) + 2 * t + t * t;
    const operand = products ? largestInput(context) : 0;
    const tau = device.flushes ? n * MIN_NORMAL * (2 + 2 * operand) : n * HALF_SUBNORMAL;
    const bound = magnitude.map((m) => (m < FLOAT32_MAX / 2 ? relative * m + tau : Number.POSITIVE_INFINITY));
    if (!products) return { bound };
    const factor = expectationFactor(n + 1, magnitude.length) + 2 * t;
    const expectation = magnitude.map((m, i) => Math.min(bound[i], factor * m + tau));
    const total = onInputs(context, (v) => v * v);
    const squares = onInputsButBias(context, total);
    const noise = sequentialNoise(n, floatData(context.exact), squares, magnitude);
    return { bound, expectation, squares: { total, products: squares, noise } };
  };

/** Σ(w·x)² without b²: the third input of Conv and Gemm taken away. */
function onInputsButBias(context: NodeContext, total: Float64Array): Float64Array {
  const { node, values } = context;
  const bias = values.get(node.inputs[2] ?? '');
  if (!bias || !['Conv', 'ConvTranspose', 'Gemm'].includes(node.op)) return total;
  const without = new Map(values).set(node.inputs[2], { ...bias, data: new Float64Array(bias.data.length) });
  return onInputs({ ...context, values: without }, (v) => v * v);
}

const largestInput = ({ node, values }: NodeContext): number =>
  Math.max(
    ...node.inputs.map((name) => {
      const value = values.get(name);
      return value && isFloat(value.dtype) ? largest(floatData(value)) : 0;
    }),
  );

const shapeOf = ({ values, node }: NodeContext, input: number): readonly number[] =>
  values.get(node.inputs[input])?.shape ?? [];
/** How many inputs each output of a reduction has. */
const reduced = (context: NodeContext): number =>
  Math.max(1, sizeOf(shapeOf(context, 0)) / Math.max(1, context.exact.data.length));
const inputAt = ({ values, node }: NodeContext, i: number): number =>
  floatData(values.get(node.inputs[0]) as Value)[i] ?? 0;

const softmax: Rule = ({ node, values, exact, model }, licence) => {
  const x = values.get(node.inputs[0]) as Value;
  const opset = model.opsets.get('') ?? 0;
  const given = new Attributes(node).int('axis', opset < 13 ? 1 : -1);
  const axis = given < 0 ? given + x.shape.length : given;
  // only where the classes lie together; elsewhere each output by the largest error of any
  if (opset >= 13 && axis !== x.shape.length - 1) return looseSoftmax(x, exact, licence);
  const shape = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))];
  return softmaxBounds(asTensor(x, shape), asTensor(exact, shape), licence);
};

/** Without regard to where the classes lie: distance at most twice the largest input. */
function looseSoftmax(x: Value, exact: Value, device: DeviceArithmetic): Bounds {
  const distance = 2 * largest(floatData(x));
  const relative = 2 * Math.expm1((distance + device.exp(distance)) * U32) + gamma(x.data.length);
  return relativeTo(floatData(exact), relative, 2 * MIN_NORMAL);
}

/**
 * scale·(x − mean)/√(var + ε) + B: seven roundings of Σ|terms|, the mean with the sign that adds to |x|. None is known
 * where the statistics are the batch's: they are sums of x with errors of their own.
 */
const batchNormalization: Rule = (context, device) => {
  const opset = context.model.opsets.get('') ?? 0;
  if (takesBatchStatistics(new Attributes(context.node), opset)) return null;
  const signs = [1, 1, 1, -1];
  const magnitude = onInputs(context, (v, input) => (input in signs ? signs[input] * Math.abs(v) : v));
  const relative = gamma(7 + device.sqrt + device.divide);
  return { bound: magnitude.map((m) => relative * m + 2 * MIN_NORMAL) };
};

/** a − b is off by u·|a − b|: one rounding of the exact difference. */
const oneRounding = relatively(() => 1);

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    (
      'Relu MaxPool GlobalMaxPool Max Min Clip Concat Split Slice Pad Gather GatherElements GatherND Identity Reshape ' +
      'Flatten Transpose Squeeze Unsqueeze Expand Where Neg Abs Cast CastLike Constant ConstantOfShape Dropout ' +
      'ReduceMax ReduceMin MaxUnpool Hardmax TopK OneHot Range'
    )
      .split(' ')
      .map((name) => [name, exactly]),
  ),
  Conv: sums((context) => sizeOf(shapeOf(context, 1).slice(1)), true),
  ConvTranspose: sums((c) => shapeOf(c, 1)[0] * sizeOf(shapeOf(c, 1).slice(2)), true),
  // alpha and beta: two products more
  Gemm: sums((c) => shapeOf(c, 0)[new Attributes(c.node).flag('transA') ? 0 : 1] ?? 1, true, 2),
  MatMul: sums((c) => shapeOf(c, 0).at(-1) ?? 1, true),
  AveragePool: sums((c) => sizeOf(new Attributes(c.node).ints('kernel_shape') ?? []), false, 3),
  GlobalAveragePool: sums(reduced, false, 3),
  ReduceMean: sums(reduced, false, 3),
  ReduceSum: sums(reduced, false),
  ReduceSumSquare: sums(reduced, false, 1),
  Sum: sums((c) => c.node.inputs.length, false),
  Mean: sums((c) => c.node.inputs.length, false, 3),
  Add: oneRounding,
  Sub: oneRounding,
  Mul: oneRounding,
  LeakyRelu: oneRounding,
  Div: relatively((device) => device.divide),
  Sqrt: relatively((device) => device.sqrt),
  Reciprocal: relatively((device) => device.divide),
  Exp: relatively((device, _, context, i) => device.exp(inputAt(context, i)) + 1),
  Pow: relatively((device, y) => device.pow(2, Math.log2(Math.abs(y) || 1))),
  Tanh: relatively((device) => device.tanh),
  Sigmoid: (context, device) => fill(context, (y) => device.tanh * U32 * (Math.abs(y) + 1)),
  BatchNormalization: batchNormalization,
  Softmax: softmax,
};
