/**
 * ConvTranspose, any number of spatial dimensions: the gradient of Conv with respect to its input.
 *
 *   y[n, g·K/G + k, o] = b[…] + Σ_{c,r} x[n, g·C/G + c, i] · w[g·C/G + c, k, r]   over o = i·stride +
 *   r·dilation − begin
 *
 * ONNX: output = stride·(in − 1) + output_padding + dilation·(kernel − 1) + 1 − begin − end; where
 * output_shape is given the pads follow from it, an odd one at the end for SAME_UPPER, else at the beginning.
 * w is (C, K/G, kernel). Versions: 11 auto_pad with strides: output = in·stride; 22 bfloat16.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { FloatDType } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import type { Node } from '../model.ts';
import { countOf, floatData, floats } from '../value.ts';
import { int, ints, type Kernel, type Operators, operator, required, text } from './kernel.ts';
import { type Geometry, perAxis, unravel } from './spatial.ts';

type Placed = Geometry & { readonly output: readonly number[] };

function place(node: Node, extents: Shape, kernel: Shape): Placed {
  const rank = extents.length;
  const strides = perAxis(node, 'strides', rank, 1);
  const dilations = perAxis(node, 'dilations', rank, 1);
  const extra = perAxis(node, 'output_padding', rank, 0, 0);
  const full = extents.map((n, i) => strides[i] * (n - 1) + extra[i] + dilations[i] * (kernel[i] - 1) + 1);
  const auto = text(node, 'auto_pad', 'NOTSET');
  const same = auto === 'SAME_UPPER' || auto === 'SAME_LOWER';
  const wanted =
    ints(node, 'output_shape')?.slice(-rank) ?? (same ? extents.map((n, i) => n * strides[i]) : null);
  if (!wanted) {
    if (auto !== 'NOTSET' && auto !== 'VALID') throw new Error(`auto_pad '${auto}' is not known`);
    const pads = auto === 'VALID' ? null : ints(node, 'pads');
    if (pads && pads.length !== 2 * rank) throw new Error(`attribute 'pads' must be ${2 * rank} integers`);
    const [begin, end] = [0, rank].map((from) => full.map((_, i) => pads?.[from + i] ?? 0));
    return { kernel, strides, dilations, begin, end, output: full.map((n, i) => n - begin[i] - end[i]) };
  }
  if (wanted.length !== rank) throw new Error(`attribute 'output_shape' must be ${rank} integers`);
  const total = wanted.map((n, i) => Math.max(full[i] - n, 0));
  const halves = total.map((t) => [Math.floor(t / 2), Math.ceil(t / 2)]);
  const upper = auto === 'SAME_UPPER';
  const begin = halves.map(([small, large]) => (upper ? small : large));
  const end = halves.map(([small, large]) => (upper ? large : small));
  return { kernel, strides, dilations, begin, end, output: wanted };
}

/** For each output position the pairs (tap, input) that reach it. */
function sources(position: readonly number[], extents: Shape, g: Placed): [number, number][] {
  let pairs: [number, number][] = [[0, 0]];
  for (const [axis, extent] of extents.entries()) {
    const next: [number, number][] = [];
    for (const [tap, input] of pairs) {
      for (let r = 0; r < g.kernel[axis]; r++) {
        const at = position[axis] + g.begin[axis] - r * g.dilations[axis];
        const i = at / g.strides[axis];
        if (Number.isInteger(i) && i >= 0 && i < extent) {
          next.push([tap * g.kernel[axis] + r, input * extent + i]);
        }
      }
    }
    pairs = next;
  }
  return pairs;
}

const convTranspose: Kernel = (inputs, { node, precision }) => {
  const [x, w] = [required(inputs, 0), required(inputs, 1)];
  const groups = int(node, 'group', 1);
  const [N, C, ...extents] = x.shape;
  const [, KG, ...kernel] = w.shape;
  if (x.shape.length < 3 || w.shape.length !== x.shape.length || w.shape[0] !== C) {
    throw new Error(`w [${w.shape}] does not fit x [${x.shape}]`);
  }
  if (groups < 1 || C % groups !== 0) throw new Error(`group = ${groups} must divide ${C} channels`);
  const g = place(node, extents, kernel);
  const y = accumulate(x, w, inputs[2], groups, g, extents);
  return [floats(x.dtype as FloatDType, y, [N, KG * groups, ...g.output], precision)];
};

function accumulate(
  x: Value,
  w: Value,
  b: Value | undefined,
  groups: number,
  g: Placed,
  extents: Shape,
): Float64Array {
  const [N, C] = x.shape;
  const [KG, K, CG] = [w.shape[1], w.shape[1] * groups, C / groups];
  const [X, F] = [floatData(x), floatData(w)];
  const B = b && floatData(b);
  if (B && B.length !== K) throw new Error(`the bias must have ${K} values (= ${B.length})`);
  const [inputSize, kernelSize, mapSize] = [extents, g.kernel, g.output].map(countOf);
  const Y = new Float64Array(countOf([N, K, mapSize]));
  for (let p = 0; p < mapSize; p++) {
    const pairs = sources(unravel(p, g.output), extents, g);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        const group = Math.floor(k / KG);
        let sum = 0;
        for (let c = group * CG; c < (group + 1) * CG; c++) {
          const [at, f] = [(n * C + c) * inputSize, (c * KG + (k % KG)) * kernelSize];
          for (const [tap, input] of pairs) sum += F[f + tap] * X[at + input];
        }
        Y[(n * K + k) * mapSize + p] = B ? sum + B[k] : sum;
      }
    }
  }
  return Y;
}

export const operators: Operators = {
  ConvTranspose: operator(
    '1 11 22',
    convTranspose,
    'auto_pad dilations group kernel_shape output_padding output_shape pads strides',
  ),
};
