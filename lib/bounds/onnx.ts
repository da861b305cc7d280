/**
 * Bounds for the nodes of any ONNX graph. docs/error-bounds.md derives them; the ones for AlexNet's own operations are
 * those of operations.ts. A sum is bounded by the same node run on absolute values, as in Arm's TOSA verifiers.
 */
import { dense, type Storage, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { type DType, isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { evaluateNode, type Values } from '../onnx/evaluate.ts';
import { layerOf } from '../onnx/layer.ts';
import type { Model, Node } from '../onnx/model.ts';
import { Attributes } from '../onnx/ops/kernel.ts';
import { takesBatchStatistics } from '../onnx/ops/normalisation.ts';
import { gathered, rowsOf, scattered } from '../onnx/ops/softmax.ts';
import { asTensor, floatData } from '../onnx/value.ts';
import {
  arithmetic,
  type DeviceArithmetic,
  FLOAT32_MAX,
  gamma,
  HALF_SUBNORMAL,
  HALF_SUBNORMAL_16,
  MIN_NORMAL,
  U32,
} from './arithmetic.ts';
import {
  type Bounds,
  type BoundsContext,
  copied,
  halfStep,
  inFloat16,
  largest,
  loosened,
  type OfInput,
  promised,
} from './bounds.ts';
import { logSoftmaxBounds, logSoftmaxOfInput, softmaxBounds, softmaxOfInput } from './normalisers.ts';
import { boundsOf } from './operations.ts';
import { productBounds } from './products.ts';

/** A node with the device's own values: those that it reads, and those that it made. */
export interface NodeCall extends Pick<BoundsContext, 'device' | 'operands'> {
  readonly model: Model;
  readonly node: Node;
  readonly values: Values;
}

interface NodeContext extends NodeCall {
  /** ŷ: the node's first output in float64. */
  readonly exact: Value;
}

/** null: none is known. */
type Rule = (context: NodeContext, device: DeviceArithmetic) => Bounds | null;

interface Entry {
  readonly bounds: Rule;
  /** What float16 storage of its inputs adds; absent: nothing, as what selects commutes with rounding. */
  readonly ofInput?: (context: NodeContext) => OfInput;
}

export const readsHalves = ({ node, values }: NodeCall): boolean =>
  node.inputs.some((name) => values.get(name)?.dtype === 'float16');

/**
 * Bounds of one output, a node's first one or another: a layer's own where the node is one (they come with fast
 * kernels), else those of its operator; null where none is known.
 */
export function boundsOfOutput(context: NodeContext, isFirst: boolean): Bounds | null {
  const { node, exact } = context;
  const layer = isFirst ? asLayer(context) : null;
  if (layer) return layer;
  const entry = rules.get(node.op);
  if (!entry || !(isFirst || entry === exactly)) return null;
  const bounds = entry.bounds(context, arithmetic[context.device]);
  if (!bounds) return null;
  const ofInput = readsHalves(context) ? entry.ofInput?.(context) : undefined;
  if (exact.dtype === 'float16') return inFloat16(bounds, asTensor(exact), ofInput);
  const most = exact.dtype === 'float64' ? Number.MAX_VALUE : FLOAT32_MAX;
  return { ...(ofInput ? loosened(bounds, ofInput) : bounds), most };
}

/** The bounds of the layer that the node is; LRN of any number of axes. */
function asLayer({ model, node, values, exact, device, operands }: NodeContext): Bounds | null {
  const flat = ({ shape: [N, C, ...plane] }: Value) => [N, C, sizeOf(plane), 1];
  const isLrn = node.op === 'LRN';
  const read = node.inputs.map((name): Value | undefined => {
    const value = values.get(name);
    return value && isLrn ? { ...value, shape: flat(value) } : value;
  });
  const found = layerOf(model, node, read);
  if (!found) return null;
  const about = { device, operands, half: exact.dtype === 'float16', runningSum: device !== 'cuda' };
  const y = asTensor(exact, isLrn ? flat(exact) : exact.shape);
  return boundsOf(found.layer, found.inputs, y, found.weights, about);
}

const fill = ({ exact }: NodeContext, bound: (y: number, i: number) => number): Bounds => ({
  bound: new Float64Array(floatData(exact)).map(bound),
});

/** The node's first output where every float input is replaced by f of it; f is told its place and type too. */
function onInputs(
  { model, node, values }: NodeContext,
  f: (v: number, input: number, dtype: DType) => number,
): Float64Array {
  const changed = new Map<string, Value>();
  for (const [at, name] of node.inputs.entries()) {
    const value = values.get(name);
    if (value && isFloat(value.dtype))
      changed.set(name, {
        ...value,
        data: new Float64Array(floatData(value)).map((v) => f(v, at, value.dtype)),
      });
  }
  const get = (name: string) => changed.get(name) ?? values.get(name);
  const result = evaluateNode(model, factored(node, f), { get }, 'float64').get(node.outputs[0]);
  return floatData(result as Value) as Float64Array;
}

/** Gemm's own factors are operands too. */
function factored(node: Node, f: (v: number, input: number, dtype: DType) => number): Node {
  if (node.op !== 'Gemm') return node;
  const attributes = new Map(node.attributes);
  for (const [name, attribute] of attributes)
    if (attribute.kind === 'float')
      attributes.set(name, { ...attribute, value: f(attribute.value, -1, 'float32') });
  return { ...node, attributes };
}

/** Of a monotone function of one or two values: its values at the ends of what rounding leaves open. */
const atEnds = (context: NodeContext): OfInput => {
  const ends = [1, -1].flatMap((a) => [1, -1].map((b) => [a, b] as const));
  const moved = ends.map((signs) =>
    onInputs(context, (v, input, dtype) => v + (dtype === 'float16' ? signs[input] * halfStep(v) : 0)),
  );
  const Y = floatData(context.exact);
  return (i) => Math.max(...moved.map((values) => Math.abs(values[i] - Y[i])));
};

/** How an operand of |v| changes by δ where that makes the result largest. */
type Change = (size: number, delta: number) => number;
const grows: Change = (size, delta) => size + delta;
const shrinks: Change = (size, delta) => size - delta;
const opposes: Change = (size, delta) => -(size + delta);

/** Of sums and products: f of the sizes |v| + δ less f of |v|. */
const ofSizes =
  (changes: readonly Change[] = [], step: (v: number) => number = halfStep) =>
  (context: NodeContext): OfInput => {
    const run = (of: (v: number) => number) =>
      onInputs(context, (v, input, dtype) =>
        (changes[input] ?? grows)(Math.abs(v), dtype === 'float16' ? of(v) : 0),
      );
    const wider = run(step);
    const own = run(() => 0);
    return (i) => (wider[i] >= own[i] ? promised(wider[i] - own[i]) : Number.POSITIVE_INFINITY);
  };

/** Values are only chosen or moved. */
const exactly: Entry = { bounds: ({ exact }, device) => copied(asTensor(exact), device) };

/** Relative error of `ulp`·u, and an absolute one where the result underflows. */
const relatively = (
  ulp: (device: DeviceArithmetic, y: number, context: NodeContext, i: number) => number,
  ofInput: Entry['ofInput'] = atEnds,
): Entry => ({
  ofInput,
  bounds(context, device) {
    const tiny = device.flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL;
    return fill(context, (y, i) =>
      Number.isFinite(y) ? ulp(device, y, context, i) * U32 * Math.abs(y) + tiny : 0,
    );
  },
});

/** a − b is off by u·|a − b|: one rounding of the exact difference. */
const oneRounding = (...changes: readonly Change[]): Entry => relatively(() => 1, ofSizes(changes));

/** Σ|terms| of a sum of `count` terms: γ_{count+1+extra}·Σ|terms| + τ. */
const sums = (
  count: (context: NodeContext) => number,
  extra: (device: DeviceArithmetic) => number = () => 0,
): Entry => ({
  ofInput: ofSizes(),
  bounds(context, device) {
    const n = count(context);
    const relative = gamma(n + 1 + extra(device));
    const tau = n * (device.flushes ? 2 * MIN_NORMAL : HALF_SUBNORMAL);
    return { bound: onInputs(context, Math.abs).map((m) => belowOverflow(m, relative * m + tau)) };
  },
});

/** A partial sum may overflow although the sum does not. */
const belowOverflow = (magnitude: number, bound: number): number =>
  magnitude < FLOAT32_MAX / 2 ? bound : Number.POSITIVE_INFINITY;

/** An average's division, and a factor that is rounded besides. */
const averaging = (device: DeviceArithmetic): number => 3 + device.divide;

/**
 * Σ w·x, each term a product of two inputs, `extra` roundings besides: as products.ts has it, the sizes by runs on
 * absolute values and squares.
 */
const productSums = (count: (context: NodeContext) => number, extra = 0): Entry => ({
  ofInput: ofSizes([], () => HALF_SUBNORMAL_16), // what is relative is among the rounded operands
  bounds(context) {
    const { exact, values, node } = context;
    const terms = (f: (v: number) => number) => asTensor({ ...exact, data: onInputs(context, f) });
    const squares = terms((v) => v * v);
    const sizes = node.inputs.map((name) => values.get(name)).flatMap((v) => (v ? largest(floatData(v)) : 0));
    return productBounds(
      { magnitude: terms(Math.abs), squares, count: count(context) + extra },
      asTensor(exact),
      { ...context, largest: 2 * Math.max(...sizes), products: withoutBias(context, dense(squares)) },
    );
  },
});

/** Σ(w·x)² without b²: the third input of Conv and Gemm taken away. */
function withoutBias(context: NodeContext, total: Storage): Float64Array {
  const { node, values } = context;
  const name = node.inputs[2] ?? '';
  const bias = values.get(name);
  if (!bias) return new Float64Array(total);
  const none = { ...bias, data: new Float64Array(bias.data.length) };
  const get = (other: string) => (other === name ? none : values.get(other));
  return onInputs({ ...context, values: { get } }, (v) => v * v);
}

const shapeOf = ({ values, node }: NodeContext, input: number): readonly number[] =>
  values.get(node.inputs[input])?.shape ?? [];
/** How many inputs each output of a reduction has. */
const reduced = (context: NodeContext): number =>
  Math.max(1, sizeOf(shapeOf(context, 0)) / Math.max(1, context.exact.data.length));
const inputOf = ({ values, node }: NodeContext): Value => values.get(node.inputs[0]) as Value;
const opsetOf = ({ model }: NodeContext): number => model.opsets.get('') ?? 0;

/** Softmax and its logarithm: bounds of the rows, wherever these lie. */
const onRows = (
  bounds: (x: Tensor, y: Tensor, device: DeviceArithmetic) => Bounds,
  ofInput: (x: Tensor, y: Tensor) => OfInput,
): Entry => ({
  ofInput: (context) => ofInput(asTensor(inputOf(context)), asTensor(context.exact)),
  bounds(context, device) {
    const lines = rowsOf(new Attributes(context.node), opsetOf(context), context.exact.shape);
    const rows = (v: Value) => tensor(gathered(floatData(v), lines), [lines.count, lines.extent]);
    return { bound: scattered(bounds(rows(inputOf(context)), rows(context.exact), device).bound, lines) };
  },
});

/**
 * scale·(x − mean)/√(var + ε) + B: seven roundings of Σ|terms|, the mean with the sign that adds to |x|. None is known
 * where the statistics are the batch's: they are sums of x with errors of their own.
 */
const batchNormalization: Entry = {
  ofInput: ofSizes([grows, grows, grows, opposes, shrinks]),
  bounds(context, device) {
    if (takesBatchStatistics(new Attributes(context.node), opsetOf(context))) return null;
    const magnitude = onInputs(context, (v, input) =>
      input === 4 ? v : Math.abs(v) * (input === 3 ? -1 : 1),
    );
    const relative = gamma(7 + device.sqrt + device.divide);
    return { bound: magnitude.map((m) => belowOverflow(m, relative * m + 2 * MIN_NORMAL)) };
  },
};

const EXACT =
  'Relu MaxPool GlobalMaxPool Max Min Clip Concat Split Slice Pad Gather GatherElements GatherND Identity Reshape ' +
  'Flatten Transpose Squeeze Unsqueeze Expand Where Neg Abs Constant ConstantOfShape Dropout ' +
  'ReduceMax ReduceMin MaxUnpool Hardmax TopK OneHot Range';

const rules: ReadonlyMap<string, Entry> = new Map([
  ...EXACT.split(' ').map((name) => [name, exactly] as const),
  ...Object.entries({
    // exact of what the kernel saw, which may have more bits than the float16 that was tapped
    Cast: { ...exactly, ofInput: atEnds },
    CastLike: { ...exactly, ofInput: atEnds },
    Conv: productSums((context) => sizeOf(shapeOf(context, 1).slice(1))),
    ConvTranspose: productSums((c) => shapeOf(c, 1)[0] * sizeOf(shapeOf(c, 1).slice(2))),
    // alpha and beta: two products more
    Gemm: productSums((c) => shapeOf(c, 0)[new Attributes(c.node).flag('transA') ? 0 : 1] ?? 1, 2),
    // an engine may take both operands' constant factors out of the sum: their stored products, two reciprocals, the
    // factors' product and that with the sum
    MatMul: productSums((c) => shapeOf(c, 0).at(-1) ?? 1, 6),
    AveragePool: sums((c) => sizeOf(new Attributes(c.node).ints('kernel_shape') ?? []), averaging),
    GlobalAveragePool: sums(reduced, averaging),
    ReduceMean: sums(reduced, averaging),
    ReduceSum: sums(reduced),
    ReduceSumSquare: sums(reduced, () => 1),
    Sum: sums((c) => c.node.inputs.length),
    Mean: sums((c) => c.node.inputs.length, averaging),
    Add: oneRounding(),
    Sub: oneRounding(grows, opposes),
    Mul: oneRounding(),
    LeakyRelu: relatively(() => 1),
    Div: relatively((device) => device.divide, ofSizes([grows, shrinks])),
    Sqrt: relatively((device) => device.sqrt),
    Reciprocal: relatively((device) => device.divide, ofSizes([shrinks])),
    Exp: relatively((device, _, context, i) => device.exp(floatData(inputOf(context))[i]) + 1),
    Log: {
      ofInput: atEnds,
      bounds: (context: NodeContext, device: DeviceArithmetic) =>
        fill(context, (y) => (Number.isFinite(y) ? device.log(Math.abs(y)) * U32 + MIN_NORMAL : 0)),
    },
    Pow: relatively((device, y) => device.pow(2, Math.log2(Math.abs(y) || 1))),
    Tanh: relatively((device) => device.tanh),
    Sigmoid: {
      ofInput: atEnds,
      bounds: (context: NodeContext, device: DeviceArithmetic) =>
        fill(context, (y) => device.tanh * U32 * (Math.abs(y) + 1)),
    },
    BatchNormalization: batchNormalization,
    Softmax: onRows(softmaxBounds, softmaxOfInput),
    LogSoftmax: onRows(logSoftmaxBounds, logSoftmaxOfInput),
  }),
]);
