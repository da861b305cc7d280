/**
 * Bounds for the nodes of any ONNX graph. docs/error-bounds.md derives them; the ones for AlexNet's own operations are
 * those of operations.ts. A sum is bounded by the same node run on absolute values, as in Arm's TOSA verifiers.
 */
import { tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model, Node } from '../onnx/model.ts';
import { asTensor, floatData } from '../onnx/value.ts';
import type { Device } from '../runtime/failures.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  MIN_NORMAL,
  type OperandRounding,
  U32,
} from './arithmetic.ts';
import type { Bounds } from './bounds.ts';
import { lrnBounds, softmaxBounds } from './normalisers.ts';
import { boundsOf } from './operations.ts';
import { expectationFactor, sequentialNoise } from './products.ts';

export interface NodeContext {
  readonly model: Model;
  readonly node: Node;
  /** The device's values that the node reads, by name. */
  readonly values: ReadonlyMap<string, Value>;
  /** ŷ: the node's first output in float64. */
  readonly exact: Value;
  readonly device: Device;
  readonly operands: OperandRounding;
}

type Rule = (context: NodeContext, device: DeviceArithmetic) => Bounds;

/**
 * Bounds of a node's first output: a layer's own where the node is one (they come with fast kernels), else those
 * of its operator; null where none is known.
 */
export function nodeBounds(context: NodeContext): Bounds | null {
  const { model, node, values, exact, device, operands } = context;
  const read = node.inputs.map((name) => values.get(name));
  const found = layerOf(model, node, read);
  if (!found) return rules[node.op]?.(context, arithmetic[device]) ?? null;
  const about = { device, operands, half: false, runningSum: device !== 'cuda' };
  return boundsOf(found.layer, found.inputs, asTensor(exact), found.weights, about);
}

const fill = ({ exact }: NodeContext, bound: (y: number, i: number) => number): Bounds => ({
  bound: Float64Array.from(floatData(exact), bound),
});

/** Values are only chosen or moved. */
const exactly: Rule = (context, device) => fill(context, () => (device.flushes ? MIN_NORMAL : 0));

/** Relative error of `ulp`·u, and an absolute one where the result underflows. */
const relatively =
  (ulp: (device: DeviceArithmetic, y: number, context: NodeContext, i: number) => number): Rule =>
  (context, device) => {
    const tiny = device.flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
    return fill(context, (y, i) =>
      Number.isFinite(y) ? ulp(device, y, context, i) * U32 * Math.abs(y) + tiny : 0,
    );
  };

/** The node's first output where every float input is replaced by f of it. */
function onInputs({ model, node, values }: NodeContext, f: (v: number) => number): Float64Array {
  const changed = new Map(values);
  for (const name of node.inputs) {
    const value = values.get(name);
    if (value && isFloat(value.dtype))
      changed.set(name, { ...value, data: Float64Array.from(floatData(value), f) });
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
    const largest = products ? largestInput(context) : 0;
    const tau = device.flushes ? n * MIN_NORMAL * (2 + 2 * largest) : n * HALF_SUBNORMAL;
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

function largestInput({ node, values }: NodeContext): number {
  let max = 0;
  for (const name of node.inputs) {
    const value = values.get(name);
    if (value && isFloat(value.dtype)) for (const v of floatData(value)) max = Math.max(max, Math.abs(v));
  }
  return max;
}

const shapeOf = ({ values, node }: NodeContext, input: number): readonly number[] =>
  values.get(node.inputs[input])?.shape ?? [];
const product = (extents: readonly number[]): number => extents.reduce((p, extent) => p * extent, 1);
const size = (context: NodeContext): number => product(shapeOf(context, 0));
const integers = ({ node }: NodeContext, name: string): readonly number[] => {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.value : [];
};
/** How many inputs each output of a reduction has. */
const reduced = (context: NodeContext): number =>
  Math.max(1, size(context) / Math.max(1, context.exact.data.length));
const inputAt = ({ values, node }: NodeContext, i: number): number =>
  floatData(values.get(node.inputs[0]) as Value)[i] ?? 0;

const lrn: Rule = ({ node, values, exact, device }, licence) => {
  const number = (name: string, otherwise: number): number => {
    const attribute = node.attributes.get(name);
    return attribute?.kind === 'float' || attribute?.kind === 'int' ? attribute.value : otherwise;
  };
  const attributes = {
    size: number('size', 1),
    alpha: number('alpha', Math.fround(1e-4)),
    beta: number('beta', 0.75),
    k: number('bias', 1),
    divide: true,
    even: 'above',
    groups: 1,
  } as const;
  const x = values.get(node.inputs[0]) as Value;
  const [N, C, ...rest] = x.shape;
  const shape = [N, C, product(rest), 1];
  const y = tensor(floatData(exact), shape);
  return lrnBounds(attributes, tensor(floatData(x), shape), y, licence, device !== 'cuda');
};

const softmax: Rule = ({ node, values, exact, model }, licence) => {
  const x = values.get(node.inputs[0]) as Value;
  const attribute = node.attributes.get('axis');
  const given = attribute?.kind === 'int' ? attribute.value : (model.opsets.get('') ?? 0) < 13 ? 1 : -1;
  const axis = given < 0 ? given + x.shape.length : given;
  // only where the classes lie together; elsewhere each output by the largest error of any
  const rows = product(x.shape.slice(0, axis));
  const K = product(x.shape.slice(axis));
  const flat = (v: Value) => tensor(floatData(v), [rows, K]);
  if ((model.opsets.get('') ?? 0) >= 13 && axis !== x.shape.length - 1)
    return looseSoftmax(x, exact, licence);
  return softmaxBounds(flat(x), flat(exact), licence);
};

/** Without regard to where the classes lie: distance at most twice the largest input. */
function looseSoftmax(x: Value, exact: Value, device: DeviceArithmetic): Bounds {
  let largest = 0;
  for (const v of floatData(x)) largest = Math.max(largest, Math.abs(v));
  const relative = 2 * Math.expm1((2 * largest + device.exp(2 * largest)) * U32) + gamma(x.data.length);
  return { bound: Float64Array.from(floatData(exact), (y) => relative * y + 2 * MIN_NORMAL) };
}

/** scale·(x − mean)/√(var + ε) + B: seven roundings of Σ|terms|. */
const batchNormalization: Rule = (context, device) => {
  const { model, node, values } = context;
  const mean = values.get(node.inputs[3]) as Value;
  const absolute = new Map(values);
  for (const at of [0, 1, 2]) {
    const value = values.get(node.inputs[at]) as Value;
    absolute.set(node.inputs[at], { ...value, data: Float64Array.from(floatData(value), Math.abs) });
  }
  absolute.set(node.inputs[3], { ...mean, data: Float64Array.from(floatData(mean), (v) => -Math.abs(v)) });
  const result = evaluateNode(model, node, absolute, 'float64').get(node.outputs[0]) as Value;
  const relative = gamma(7 + device.sqrt + device.divide);
  return { bound: Float64Array.from(floatData(result), (m) => relative * m + 2 * MIN_NORMAL) };
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
  Conv: sums((context) => product(shapeOf(context, 1).slice(1)), true),
  ConvTranspose: sums((c) => shapeOf(c, 1)[0] * product(shapeOf(c, 1).slice(2)), true),
  // alpha and beta: two products more
  Gemm: sums((c) => shapeOf(c, 0)[attributeIs(c, 'transA', 1) ? 0 : 1] ?? 1, true, 2),
  MatMul: sums((c) => shapeOf(c, 0).at(-1) ?? 1, true),
  AveragePool: sums((c) => product(integers(c, 'kernel_shape')), false, 3),
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
  LRN: lrn,
  Softmax: softmax,
};

function attributeIs({ node }: NodeContext, name: string, value: number): boolean {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' && attribute.value === value;
}
