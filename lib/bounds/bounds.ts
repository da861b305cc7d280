/** What a bound is, and the simplest ones. docs/error-bounds.md derives them all. */
import type { Kind, Layer } from '../../reference/networks/layers.ts';
import type { Ties } from '../../reference/ops/maxpool.ts';
import { operandsOf, type Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { operations } from '../fast/index.ts';
import type { Executor } from '../runtime/failures.ts';
import {
  type DeviceArithmetic,
  FLOAT16_MAX,
  gamma,
  HALF_SUBNORMAL,
  HALF_SUBNORMAL_16,
  MIN_NORMAL,
  type OperandRounding,
  U16,
} from './arithmetic.ts';

/** ŷ is the oracle's unrounded result; all arrays are by element of it. */
export interface Bounds {
  /** Tier 1: |y − ŷ| beyond this is a fault. ∞ where nothing can be promised. */
  readonly bound: Float64Array;
  /** Tier 2, convolutions and linear layers: beyond this is suspicious. */
  readonly expectation?: Float64Array;
  /** One standard deviation of what rounding adds up to: the expectation without λ. */
  readonly deviation?: Float64Array;
  /** What tier 3 measures by. */
  readonly squares?: Squares;
  /** Where `bound` is that of one engine's algorithm: its name, and the bound that any other would keep. */
  readonly named?: string;
  readonly anyOrder?: Float64Array;
  /** What a convolution by a transform keeps, where the device may have used one. */
  readonly normwise?: () => Normwise;
  /** The largest number of the type that the device stores; default: float32's. */
  readonly most?: number;
  /** Where the device's own inputs are not known: what its errors up to here should add up to, as one deviation. */
  readonly accumulated?: Float64Array;
}

export interface Squares {
  /** Σ(w·x)² + b². */
  readonly total: Float64Array;
  /** Σ(w·x)². */
  readonly products: Float64Array;
  /** Error that one float32 accumulator, term after term, is expected to make. */
  readonly noise: Float64Array;
}

export interface Normwise {
  /** By element of the output. */
  readonly bound: Float64Array;
  /** Mean square of the products that one output would have if x were spread evenly: what tier 3 measures by. */
  readonly squares: Float64Array;
}

/** Whose arithmetic is assumed. */
export interface BoundsContext {
  readonly device: Executor;
  readonly operands: OperandRounding;
  /** Stored as float16: one more rounding of the result, 2⁻¹¹. */
  readonly half: boolean;
  /** Whether LRN is onnxruntime's native CPU kernel, which keeps a running sum. */
  readonly runningSum: boolean;
  /** Whether LRN sums its windows by a matrix with zeros in it. */
  readonly band?: boolean;
  /** Whether a node of its own adds the bias: the sum without it is stored too. */
  readonly biasApart?: boolean;
}

/** A value's exact result, from the device's own operands, and how far a right device may be from it. */
export interface Judged {
  readonly exact: Tensor;
  readonly bounds: Bounds;
}

/** A value of which something is known without a bound. */
export interface Told {
  readonly verdict: 'pass' | 'fail' | 'untested';
  /** One line; empty if it passes. */
  readonly reason: string;
}

/** Layers of these kinds. */
export type LayersOf<K extends Kind> = Layer & { readonly kind: K };

/** A layer with the device's own inputs to it. */
export interface LayerCall {
  readonly layer: Layer;
  readonly inputs: readonly Tensor[];
  readonly weights: Weights;
  /** [C,H,W] of the maps that a fully connected layer reads flattened, where it does. */
  readonly maps?: readonly [number, number, number];
}

/** One layer's forward pass; `exact` is its result in float64. */
export interface ForwardPass extends Omit<LayerCall, 'layer'> {
  readonly exact: Tensor;
}

/** One layer's backward pass: what the device has of it. */
export interface BackwardPass extends Omit<LayerCall, 'layer'> {
  readonly y: Tensor;
  readonly dy: Tensor;
  /** The dropout layer's mask; undefined: neither mask nor scaling. */
  readonly mask?: Uint8Array;
  /** Which of a pooling window's equal maxima get its gradient; default: every, as in the graphs. */
  readonly ties?: Ties;
  /** Whether the inputs' gradients are wanted; those of operations without weights always are. */
  readonly wanted: { readonly dx: boolean };
}

/** What a relative error of 2⁻¹¹ in every input adds to an element. */
export type OfInput = (i: number) => number;

/** How far a right device may be off in one operation. */
export interface OperationBounds<K extends Kind> {
  forward(layer: LayersOf<K>, pass: ForwardPass, context: BoundsContext): Bounds;
  /** What float16 storage of the inputs adds; absent: nothing, or it is among the rounded operands. */
  ofInput?(layer: LayersOf<K>, pass: ForwardPass): OfInput;
  /** Of each operand's gradient; `exact` are the gradients in float64, null where one is not wanted. */
  backward(
    layer: LayersOf<K>,
    pass: BackwardPass,
    exact: readonly Tensor[],
    context: BoundsContext,
  ): readonly Bounds[];
}

/** What `count` results that underflow may lose together. */
export const underflow = ({ flushes }: DeviceArithmetic, count = 1): number =>
  count * (flushes ? MIN_NORMAL : HALF_SUBNORMAL);

/** Copies, comparisons and maxima are exact, up to a flushed subnormal. */
export const copied = (exact: Tensor, { flushes }: DeviceArithmetic): Bounds => ({
  bound: new Float64Array(exact.size).fill(flushes ? MIN_NORMAL : 0),
});

/** relative·|m| + tiny for each magnitude m. */
export const relativeTo = (magnitude: ArrayLike<number>, relative: number, tiny: number): Bounds => ({
  bound: new Float64Array(magnitude).map((m) => relative * Math.abs(m) + tiny),
});

/** `roundings` of a value, one after the other; of `magnitude` where terms of both signs meet. */
export const rounded = (
  magnitude: Tensor | ArrayLike<number>,
  roundings: number,
  device: DeviceArithmetic,
): Bounds =>
  relativeTo('shape' in magnitude ? dense(magnitude) : magnitude, gamma(roundings), underflow(device, 2));

/**
 * Several gradients of one value, added one after the other: each part's bound, and γ_{parts − 1} of their
 * magnitudes.
 */
export function summed(parts: readonly Judged[], device: DeviceArithmetic): Judged {
  if (parts.length === 1) return parts[0];
  const { size, shape } = parts[0].exact;
  const sum = new Float64Array(size);
  const bound = new Float64Array(size);
  const relative = gamma(parts.length - 1);
  for (const { exact, bounds } of parts) {
    const E = dense(exact);
    for (let i = 0; i < size; i++) {
      sum[i] += E[i];
      bound[i] += bounds.bound[i] + relative * (Math.abs(E[i]) + bounds.bound[i]);
    }
  }
  const tiny = underflow(device, parts.length);
  return { exact: tensor(sum, shape), bounds: { bound: bound.map((b) => b + tiny) } };
}

/**
 * The same bounds where values are float16. The result is rounded once more. An engine may keep float32
 * between nodes (onnxruntime's CPU provider has few float16 kernels and casts around the others): the tapped
 * input is then x·(1 + δ), |δ| ≤ 2⁻¹¹, of what the kernel saw; `ofInput` is what that adds.
 */
export function inFloat16(bounds: Bounds, exact: Tensor, ofInput: OfInput = () => 0): Bounds {
  const y = dense(exact);
  const stored = storedAsHalves(bounds, (i) => y[i]);
  return { ...loosened(stored, ofInput), most: FLOAT16_MAX };
}

/** The same bounds where what `of` says is rounded to float16 on the way: the result, or a sum that leads to it. */
export function storedAsHalves(bounds: Bounds, of: (i: number) => number): Bounds {
  const step = (i: number): number => halfStep(of(i));
  const { squares } = bounds;
  return {
    ...loosened(bounds, step),
    ...(squares && { squares: { ...squares, noise: squares.noise.map((noise, i) => noise + step(i)) } }),
  };
}

/** How far a number may be from its float16: half a unit in the last place. */
export const halfStep = (x: number): number => U16 * Math.abs(x) + HALF_SUBNORMAL_16;

/** Where a bound is no number nothing is promised. */
export const promised = (bound: number): number => (Number.isNaN(bound) ? Number.POSITIVE_INFINITY : bound);

/** The same bounds, each limit larger by what `by` says of its element. */
export function loosened(bounds: Bounds, by: OfInput): Bounds {
  const wider = (limit: number, i: number): number => promised(limit + by(i));
  const { bound, expectation, anyOrder, normwise } = bounds;
  return {
    ...bounds,
    bound: bound.map(wider),
    ...(anyOrder && { anyOrder: anyOrder.map(wider) }),
    ...(expectation && { expectation: expectation.map(wider) }),
    ...(normwise && {
      normwise: () => {
        const transformed = normwise();
        return { ...transformed, bound: transformed.bound.map(wider) };
      },
    }),
  };
}

export function largest(values: ArrayLike<number>): number {
  let max = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > max) max = magnitude;
  }
  return max;
}

/** The gradients of a layer's operands for a dy, in their order, in float64. */
export function exactGradients(layer: Layer, pass: BackwardPass, dy = pass.dy): readonly (Tensor | null)[] {
  const { inputs, weights, y, mask, ties = 'every', wanted } = pass;
  if (layer.kind === 'dropout' && !mask) return [dy];
  const masks = mask ? [tensor(new Float32Array(mask), [mask.length])] : [];
  const operands = [...operandsOf(layer, inputs, weights), ...masks];
  const how = { precision: 'float64', ties, ...wanted } as const;
  return operations[layer.kind].backward(dy, operands, y, layer.attributes, how);
}
