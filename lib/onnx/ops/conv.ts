/**
 * Conv and ConvTranspose, any number of spatial dimensions.
 *
 * Conv: two dimensions are reference/ops/conv2d.ts; one is the same with a height of 1; three and more are the plain
 * loop below, in the same order of terms: ascending (c, taps), then the bias, one rounding.
 *
 * ConvTranspose is the gradient of Conv with respect to its input, with w of (C, K/G, kernel):
 *
 *   y[n, g·K/G + k, o] = b[…] + Σ_{c,r} x[n, g·C/G + c, i] · w[g·C/G + c, k, r]
 *   over o = i·stride + r·dilation − begin
 *
 * ONNX: output = stride·(in − 1) + output_padding + dilation·(kernel − 1) + 1 − begin − end; where output_shape is
 * given the pads follow from it, an odd one at the end for SAME_UPPER, else at the beginning.
 * Versions: 11 says what auto_pad does (with strides, ConvTranspose: output = in·stride); 22 bfloat16.
 */
import type { Shape, Storage } from '../../../reference/tensor.ts';
import type { Value } from '../../array/value.ts';
import * as ops from '../../fast/index.ts';
import { asTensor, countOf, floatData } from '../value.ts';
import { type Call, type Kernel, type Operators, operator } from './kernel.ts';
import * as spatial from './spatial.ts';
import { unravel } from './strides.ts';

type Geometry = spatial.Geometry;

/** The operands of either; C of them in the input, K of them in the result, of which each has its group's. */
interface Operands {
  readonly x: Value;
  readonly w: Value;
  readonly b: Value | undefined;
  readonly groups: number;
  readonly extents: Shape;
  readonly kernel: Shape;
}

function operandsOf(call: Call): Operands {
  const [x, w] = call.inputs(2);
  if (x.shape.length < 3) throw new Error(`x must have 3 dimensions or more (shape = [${x.shape}])`);
  if (w.shape.length !== x.shape.length) {
    throw new Error(`w must have as many dimensions as x (= [${w.shape}] and [${x.shape}])`);
  }
  const kernel = w.shape.slice(2);
  return { x, w, b: call.given[2], groups: call.int('group', 1), extents: x.shape.slice(2), kernel };
}

function checkBias(b: Value | undefined, K: number): void {
  if (b && b.shape.join() !== `${K}`) throw new Error(`the bias must have ${K} values (= [${b.shape}])`);
}

const conv: Kernel = (call) => {
  const operands = operandsOf(call);
  const { x, w, b, groups, extents, kernel } = operands;
  const [N, C] = x.shape;
  const [K, CG] = w.shape;
  if (groups < 1 || C % groups !== 0 || K % groups !== 0 || CG * groups !== C) {
    throw new Error(`w [${w.shape}] and group = ${groups} do not fit x [${x.shape}]`);
  }
  checkBias(b, K);
  const declared = call.ints('kernel_shape');
  if (declared && declared.join() !== kernel.join()) {
    throw new Error(`kernel_shape [${declared}] is not that of the weights [${w.shape}]`);
  }
  const g = spatial.geometry(call, extents, kernel);
  const shape = [N, K, ...spatial.outputExtents(extents, g)];
  countOf(shape);
  if (extents.length < 3) return call.floats(x, conv2d(operands, g, call), shape);
  const taps = (position: Shape) => spatial.tapsAt(position, extents, g);
  const row = (k: number, c: number): number => k * CG + c;
  return call.floats(x, sums(operands, shape, taps, row), shape);
};

/** As the reference has them, for one or two spatial dimensions; one is the same with a height of 1. */
export function conv2dAttributes(g: Geometry, groups: number): ops.conv2d.Attributes {
  const two = (values: Shape, height: number): [number, number] =>
    values.length === 1 ? [height, values[0]] : [values[0], values[1]];
  const pad = [...two(g.begin, 0), ...two(g.end, 0)] as const;
  return { stride: two(g.strides, 1), pad, dilation: two(g.dilations, 1), groups };
}

function conv2d({ x, w, b, groups }: Operands, g: Geometry, call: Call): Storage {
  const raised = (v: Value) => asTensor(v, v.shape.length === 3 ? v.shape.toSpliced(2, 0, 1) : v.shape);
  const operands = [raised(x), raised(w), ...(b ? [asTensor(b)] : [])];
  return ops.conv2d.forward(operands, conv2dAttributes(g, groups), call.working(x)).data;
}

/** Where convolution and output lie: a geometry that gives the output's extents too. */
function place(call: Call, extents: Shape, kernel: Shape): Geometry & { readonly output: Shape } {
  const rank = extents.length;
  const strides = spatial.perAxis(call, 'strides', rank, 1);
  const dilations = spatial.perAxis(call, 'dilations', rank, 1);
  const extra = spatial.perAxis(call, 'output_padding', rank, 0);
  const full = extents.map((n, i) => strides[i] * (n - 1) + extra[i] + dilations[i] * (kernel[i] - 1) + 1);
  const auto = spatial.autoPad(call);
  const same = auto.startsWith('SAME') ? extents.map((n, i) => n * strides[i]) : null;
  const wanted = call.ints('output_shape')?.slice(-rank) ?? same;
  if (!wanted) {
    const none = new Array<number>(rank).fill(0);
    const pads = auto === 'VALID' ? { begin: none, end: none } : spatial.padsOf(call, rank, -Infinity);
    const output = full.map((n, i) => n - pads.begin[i] - pads.end[i]);
    return { kernel, strides, dilations, ...pads, output };
  }
  if (wanted.length !== rank) throw new Error(`attribute 'output_shape' must be ${rank} integers`);
  const total = wanted.map((n, i) => Math.max(full[i] - n, 0));
  return { kernel, strides, dilations, ...spatial.shared(total, auto === 'SAME_UPPER'), output: wanted };
}

const convTranspose: Kernel = (call) => {
  const operands = operandsOf(call);
  const { x, w, b, groups, extents, kernel } = operands;
  const [N, C] = x.shape;
  const KG = w.shape[1];
  if (w.shape[0] !== C) throw new Error(`w [${w.shape}] does not fit x [${x.shape}]`);
  if (groups < 1 || C % groups !== 0) throw new Error(`group = ${groups} must divide ${C} channels`);
  checkBias(b, KG * groups);
  const g = place(call, extents, kernel);
  // the inputs that reach a position of the output
  const taps = (position: Shape) =>
    spatial.combineTaps(kernel, extents, (axis) =>
      Array.from({ length: kernel[axis] }, (_, r): spatial.Tap => {
        return [r, (position[axis] + g.begin[axis] - r * g.dilations[axis]) / g.strides[axis]];
      }).filter(([, i]) => Number.isInteger(i) && i >= 0 && i < extents[axis]),
    );
  const CG = C / groups;
  const row = (k: number, c: number): number => (Math.floor(k / KG) * CG + c) * KG + (k % KG);
  const shape = [N, KG * groups, ...g.output];
  return call.floats(x, sums(operands, shape, taps, row), shape);
};

/**
 * Σ_c Σ_taps w·x, then the bias, in float64, for a result of `shape`. `row` says which kernel of w belongs to output
 * channel k and the c-th channel of its group.
 */
function sums(
  { x, w, b, groups, extents, kernel }: Operands,
  shape: Shape,
  taps: (position: Shape) => readonly spatial.Tap[],
  row: (k: number, c: number) => number,
): Float64Array {
  const [X, F, B] = [x, w, b].map((value) => value && floatData(value)) as [Storage, Storage, Storage?];
  const [N, K, ...positions] = shape;
  const C = x.shape[1];
  const CG = C / groups;
  const [inputSize, kernelSize, mapSize] = [extents, kernel, positions].map(countOf);
  const Y = new Float64Array(countOf(shape));
  for (let p = 0; p < mapSize; p++) {
    const pairs = taps(unravel(p, positions));
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const first = n * C + Math.floor(k / (K / groups)) * CG;
        let sum = 0;
        for (let c = 0; c < CG; c++) {
          const f = row(k, c) * kernelSize;
          const at = (first + c) * inputSize;
          for (const [tap, input] of pairs) sum += F[f + tap] * X[at + input];
        }
        Y[(n * K + k) * mapSize + p] = B ? sum + B[k] : sum;
      }
    }
  }
  return Y;
}

const window = 'auto_pad dilations group kernel_shape pads strides';

export const operators: Operators = {
  Conv: operator('1 11 22', conv, window),
  ConvTranspose: operator('1 11 22', convTranspose, `${window} output_padding output_shape`),
};
