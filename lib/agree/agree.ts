/**
 * Agreement of two tensors for other people's tests: `assertAgrees` for node:test and vitest, chai.ts for chai.
 *
 * No tolerance is right for every operation, so that none is the default: a bound for each element, derived from the
 * layer (docs/error-bounds.md) or given; or atol and rtol. NaN never agrees with anything.
 *
 * @module alexnet-oracle/agree
 */
import { AssertionError } from 'node:assert';
import type { Layer } from '../../reference/networks/layers.ts';
import { runLayer } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { classes, HALF_SUBNORMAL, type Requirement, U32 } from '../bounds/arithmetic.ts';
import type { Bounds } from '../bounds/bounds.ts';
import { boundsOf } from '../bounds/operations.ts';
import {
  among,
  type Check,
  type Checks,
  checkAgainst,
  either,
  listOf,
  numberList,
  text,
  thing,
  truth,
} from '../checks.ts';
import { InputError } from '../errors.ts';
import { operations } from '../fast/index.ts';
import { judge } from '../judge/judge.ts';
import { axesOf, indexOf, patternOf, patternText } from '../judge/pattern.ts';
import { floatTensor, type Plain, plainOf, type TensorLike } from './tensors.ts';

export { InputError } from '../errors.ts';
export type { TensorLike } from './tensors.ts';

/** The layer that was computed, from which the bounds follow. */
export interface LayerOptions {
  readonly layer: Layer;
  /** What the tested kernel was given. */
  readonly inputs: readonly TensorLike[];
  /** `<layer>.weight` and `<layer>.bias`, where the layer has them. */
  readonly weights?: ReadonlyMap<string, TensorLike>;
  /** Whose arithmetic; default cpu. */
  readonly device?: 'cpu' | 'cuda' | 'webgpu';
  /** Arithmetic that the products must have; default float32. */
  readonly require?: Requirement;
  /** The LRN of onnxruntime's CPU kernel, which keeps a running sum. */
  readonly runningSum?: boolean;
}

/** How far apart the tensors may be: |actual − expected| ≤ bound, or ≤ atol + rtol·|expected|. */
export interface Tolerance {
  /** One number, or one for each element in row-major order. */
  readonly bound?: number | ArrayLike<number>;
  readonly atol?: number;
  readonly rtol?: number;
}

export type AgreeOptions = Tolerance | LayerOptions;

const isLayer: Check = (value) =>
  thing('a layer')(value) ?? text((value as Layer).kind) ?? text((value as Layer).name);
const distance: Check = (value) =>
  typeof value === 'number' && value >= 0 ? undefined : 'a number of at least 0';
const checks: Checks<Tolerance & LayerOptions> = {
  bound: either('a number of at least 0, or a list of numbers', distance, numberList),
  atol: distance,
  rtol: distance,
  layer: isLayer,
  inputs: listOf('a list of tensors', thing('a tensor')),
  weights: (value) => (value instanceof Map ? undefined : "tensors by the layer's names"),
  device: among(['cpu', 'cuda', 'webgpu']),
  require: among(Object.keys(classes)),
  runningSum: truth,
};

/** The exact result of a layer and what its bounds follow from. */
export interface LayerOracle {
  readonly tensor: Tensor;
  readonly options: LayerOptions;
}

/** The layer's result in float64, for `assertAgrees(actual, oracleOf(…))`. Throws Error for shapes that do not fit. */
export function oracleOf(
  layer: Layer,
  inputs: readonly TensorLike[],
  weights: ReadonlyMap<string, TensorLike> = new Map(),
  options: Omit<LayerOptions, 'layer' | 'inputs' | 'weights'> = {},
): LayerOracle {
  checkAgainst(checks, options, 'oracleOf');
  const about = { ...options, layer, inputs, weights };
  checkAgainst(checks, about, 'oracleOf');
  // what works in place may write over them before the bounds are asked for
  const kept = tensorsOf(inputs).map((x) => tensor(dense(x).slice(), x.shape));
  return {
    tensor: runLayer(layer, kept, weightsOf(layer, weights), 'float64', operations),
    options: { ...about, inputs: kept },
  };
}

const tensorsOf = (inputs: readonly TensorLike[]): Tensor[] =>
  inputs.map((x, i) => floatTensor(x, `input ${i}`));
/** The layer's own among all weights of a network. */
const weightsOf = ({ name }: Layer, weights: ReadonlyMap<string, TensorLike> = new Map()) =>
  new Map(
    [`${name}.weight`, `${name}.bias`].flatMap((own) => {
      const w = weights.get(own);
      return w ? [[own, floatTensor(w, own)] as const] : [];
    }),
  );

/** One tensor, or those of several layers by their names. */
export type Actual = TensorLike | ReadonlyMap<string, TensorLike>;
export type Expected = TensorLike | LayerOracle | ReadonlyMap<string, TensorLike | LayerOracle>;

/** Throws node's AssertionError where the tensors do not agree, InputError where that cannot be told. */
export function assertAgrees(actual: Actual, expected: Expected, options?: AgreeOptions): void {
  const message = disagreement(actual, expected, options);
  if (message !== null)
    throw new AssertionError({ message, operator: 'agreesWith', stackStartFn: assertAgrees });
}

/** What there is to say against the agreement; null if nothing. Throws InputError where that cannot be told. */
export function disagreement(actual: Actual, expected: Expected, options?: AgreeOptions): string | null {
  checkAgainst(checks, options ?? {}, 'agreesWith');
  if (!(expected instanceof Map))
    return disagreementOfOne(actual as TensorLike, expected as TensorLike | LayerOracle, options);
  if (!(actual instanceof Map))
    throw new InputError('actual: tensors by name are needed, as expected has them');
  if (expected.size === 0) throw new InputError('expected holds no tensors: nothing can be compared');
  const found = [...expected].flatMap(([name, one]) => {
    const y = actual.get(name);
    const message = y ? disagreementOfOne(y, one, options) : 'There is no such tensor';
    return message === null ? [] : [{ name, message }];
  });
  if (found.length === 0) return null;
  const names = found.map(({ name }) => name).join(' ');
  const head = `${found.length} of ${expected.size} do not agree: ${names}`;
  return [head, ...found.map(({ name, message }) => `${name}: ${message}`)].join('\n\n');
}

function disagreementOfOne(
  actual: TensorLike,
  expected: TensorLike | LayerOracle,
  options: AgreeOptions | undefined,
): string | null {
  const isOracle = typeof expected === 'object' && expected !== null && 'tensor' in expected;
  const y = plainOf(actual, 'actual');
  const e = plainOf(isOracle ? expected.tensor : expected, 'expected');
  if (y.shape.join() !== e.shape.join()) {
    return `The shapes do not agree: [${y.shape.join(', ')}] instead of [${e.shape.join(', ')}]`;
  }
  if (!sameType(y, e)) return `The types do not agree: ${y.dtype} instead of ${e.dtype}`;
  if (y.values.length === 0) return 'Nothing was compared: the tensors are empty';
  const chosen = options ?? (isOracle ? expected.options : {});
  if (!('layer' in chosen)) return mismatches(y, e, allowed(e, chosen));
  const known = isOracle && options === undefined ? expected.tensor : undefined;
  const bounds = layerBounds(chosen, e, y.dtype === 'float16', known);
  return mismatches(y, e, bounds.bound, axesOf(y.shape)) ?? verdict(y, e, bounds, chosen);
}

/** float64 is the oracle before rounding: every float may be held against it. */
const sameType = ({ dtype: y }: Plain, { dtype: e }: Plain): boolean =>
  y === e || y === null || e === null || (e === 'float64' && y.startsWith('float'));

/** `known`: the exact result, where somebody has it. */
function layerBounds(options: LayerOptions, e: Plain, half: boolean, known?: Tensor): Bounds {
  const { layer, device = 'cpu', require = 'float32', runningSum = false } = options;
  const inputs = tensorsOf(options.inputs);
  const weights = weightsOf(layer, options.weights);
  const exact = known ?? runLayer(layer, inputs, weights, 'float64', operations);
  if (exact.shape.join() !== e.shape.join()) {
    throw new InputError(`${layer.name} gives [${exact.shape}] for these inputs, expected has [${e.shape}]`);
  }
  const context = { device, operands: classes[require], half, runningSum };
  const bounds = boundsOf(layer, inputs, exact, weights, context);
  // expected was rounded to float32 itself
  if (e.dtype !== 'float64')
    for (let i = 0; i < bounds.bound.length; i++)
      bounds.bound[i] += U32 * Math.abs(Number(e.values[i])) + HALF_SUBNORMAL;
  return bounds;
}

/** Within its bounds a layer may still have too few effective bits, or be constant. */
function verdict(y: Plain, e: Plain, bounds: Bounds, { require = 'float32' }: LayerOptions): string | null {
  const float = ({ values, shape }: Plain) => tensor(Float64Array.from(values as ArrayLike<number>), shape);
  const found = judge(float(y), { exact: float(e), bounds }, classes[require]);
  return found.verdict === 'fail' ? `The tensors are within their bounds, but: ${found.reason}` : null;
}

function allowed(e: Plain, { bound, atol, rtol }: Tolerance): ArrayLike<number> {
  const size = e.values.length;
  if (bound !== undefined && (atol !== undefined || rtol !== undefined)) {
    throw new InputError('a bound goes with neither atol nor rtol');
  }
  if (bound === undefined && atol === undefined && rtol === undefined) {
    if (e.dtype === null || e.dtype.startsWith('float')) {
      throw new InputError(
        'how far may they be apart? Give the layer with its inputs and weights, a bound, or atol and rtol',
      );
    }
    return new Float64Array(size);
  }
  const result =
    typeof bound === 'object'
      ? bound
      : new Float64Array(size).map((_, i) =>
          bound === undefined ? (atol ?? 0) + (rtol ?? 0) * Math.abs(Number(e.values[i])) : bound,
        );
  if (result.length !== size) throw new InputError(`the bound has ${result.length} values, expected ${size}`);
  return result;
}

interface Extreme {
  readonly value: number;
  readonly at: number;
}

/** In the manner of torch.testing.assert_close: how many mismatch, and the greatest differences among them. */
function mismatches(
  y: Plain,
  e: Plain,
  bound: ArrayLike<number>,
  axes: readonly string[] = y.shape.map((_, axis) => `axis-${axis} position`),
): string | null {
  const size = y.values.length;
  const isWithin = (at: number): boolean => {
    const isNumber = !Number.isNaN(Number(y.values[at])) && !Number.isNaN(Number(e.values[at]));
    return isNumber && difference(y.values[at], e.values[at]) <= bound[at];
  };
  let count = 0;
  let first = -1;
  let [absolute, relative, over]: Extreme[] = Array(3).fill({ value: 0, at: -1 });
  for (let at = 0; at < size; at++) {
    if (isWithin(at)) continue;
    const error = difference(y.values[at], e.values[at]);
    count++;
    if (first < 0) first = at;
    if (error > absolute.value) absolute = { value: error, at };
    const share = error / Math.abs(Number(e.values[at]));
    if (share > relative.value) relative = { value: share, at };
    const ratio = error / bound[at];
    if (ratio > over.value) over = { value: ratio, at };
  }
  if (count === 0) return null;
  const where = patternText(
    patternOf(y.shape, (at) => !isWithin(at)),
    y.shape,
    axes,
  );
  const place = (at: number): string => `[${indexOf(at, y.shape).join(', ')}]`;
  const line = (what: string, { value, at }: Extreme, limit: (at: number) => number): string[] =>
    at < 0
      ? []
      : [`Greatest ${what}: ${short(value)} at index ${place(at)} (up to ${short(limit(at))} allowed)`];
  const pair = (at: number): string => `${place(at)}: ${y.values[at]} instead of ${e.values[at]}`;
  return [
    'The tensors do not agree',
    '',
    `Mismatched elements: ${count} / ${size} (${((100 * count) / size).toFixed(1)}%)${where && `, ${where}`}`,
    ...line('absolute difference', absolute, (at) => bound[at]),
    ...line('relative difference', relative, (at) => bound[at] / Math.abs(Number(e.values[at]))),
    ...line('difference over its bound', over, () => 1),
    `First mismatch at index ${pair(first)}`,
    ...(over.at >= 0 && over.at !== first ? [`Worst over its bound at index ${pair(over.at)}`] : []),
  ].join('\n');
}

/** |y − e|: 0 for equal infinities and for −0 and +0, ∞ where one side is NaN or both are. */
function difference(y: number | bigint, e: number | bigint): number {
  if (typeof y === 'bigint' && typeof e === 'bigint') return Math.abs(Number(y - e));
  if (y === e) return 0;
  const error = Math.abs(Number(y) - Number(e));
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
}

/** Six digits. */
function short(value: number): string {
  if (!Number.isFinite(value) || value === 0 || (value >= 1e-3 && value < 1e6)) {
    return String(Number(value.toPrecision(6)));
  }
  return value.toExponential(5).replace(/\.?0+e/, 'e');
}
