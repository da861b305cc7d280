/**
 * The ONNX operators that are written here: attributes, number of inputs and shape of the output, for opsets 13 to 25
 * (the reductions over axes given as an input: ReduceSum since 13, the others since 18; Resize and Shape since 18).
 *
 * This is a second opinion on every shape: the builder infers it from ONNX's rules, and the oracle's must agree.
 * Source: onnx/docs/Operators.md. A dimension is a number, or a text such as 'N' or 'N*2' while the batch is dynamic.
 */

type Dim = number | string;
export type Dims = readonly Dim[];
export type Attributes = Readonly<Record<string, number | readonly number[] | string>>;

/** The values of an input, by its number. Throws unless it is an int64 initializer. */
type Integers = (input: number) => readonly number[];

export interface Operator {
  /** Kind of each attribute; '!' after it: required. */
  readonly attributes: Readonly<
    Record<string, 'int' | 'float' | 'ints' | 'string' | 'int!' | 'ints!' | 'float!' | 'string!'>
  >;
  /** Fewest and most inputs. */
  readonly inputs: readonly [number, number];
  readonly shape: (x: readonly Dims[], a: Attributes, integers: Integers) => Dims;
  /** Inputs whose element type may differ from the leading one's. */
  readonly mixed?: readonly number[];
  /** The input that gives the output its element type; 0 if absent. */
  readonly lead?: number;
  /** Type of the output, where it is always the same. */
  readonly makes?: 'bool' | 'int64';
}

const same = (x: readonly Dims[]): Dims => x[0];
const elementwise: Operator = { attributes: {}, inputs: [1, 1], shape: same };

/** Numpy's rule, right-aligned. */
export function broadcast(a: Dims, b: Dims): Dims {
  const rank = Math.max(a.length, b.length);
  const at = (dims: Dims, axis: number): Dim => dims[axis - rank + dims.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => {
    const p = at(a, axis);
    const q = at(b, axis);
    if (p !== q && p !== 1 && q !== 1) throw new RangeError(`[${a}] and [${b}] cannot be broadcast`);
    return p === 1 ? q : p;
  });
}

const binary: Operator = { attributes: {}, inputs: [2, 2], shape: ([a, b]) => broadcast(a, b) };

const fixed = (dim: Dim): number => {
  if (typeof dim !== 'number') throw new RangeError(`dimension '${dim}' must be known`);
  return dim;
};

/** The factor k of 'N*k', 1 for 'N', the number itself otherwise. */
const factor = (dim: Dim): number => (typeof dim === 'number' ? dim : Number(dim.split('*')[1] ?? 1));
const isBatch = (dim: Dim): boolean => typeof dim !== 'number';
const size = (dims: Dims): number => dims.reduce<number>((product, dim) => product * factor(dim), 1);
const batched = (k: number): Dim => (k === 1 ? 'N' : `N*${k}`);

/** Number of whole windows along the spatial axes. */
function windows(x: Dims, kernel: readonly number[], a: Attributes): Dim[] {
  const strides = a.strides as readonly number[];
  const pads = a.pads as readonly number[];
  const dilations = (a.dilations as readonly number[]) ?? kernel.map(() => 1);
  return kernel.map((k, axis) => {
    const room = fixed(x[axis + 2]) + pads[axis] + pads[axis + kernel.length];
    const count = Math.floor((room - dilations[axis] * (k - 1) - 1) / strides[axis]) + 1;
    if (count < 1) throw new RangeError(`a window of [${kernel}] does not fit [${x}] with pads [${pads}]`);
    return count;
  });
}

const pooling = { kernel_shape: 'ints!', strides: 'ints!', pads: 'ints!' } as const;
const convolution = { ...pooling, dilations: 'ints!', group: 'int!' } as const;

const pool = (extra: Operator['attributes']): Operator => ({
  attributes: { ...pooling, ...extra },
  inputs: [1, 1],
  shape: ([x], a) => [x[0], x[1], ...windows(x, a.kernel_shape as readonly number[], a)],
});

function convolved([x, w]: readonly Dims[], a: Attributes): Dims {
  const [K, CG, ...kernel] = w;
  if (x[1] !== fixed(CG) * (a.group as number))
    throw new RangeError(`w [${w}] does not fit x [${x}] in ${a.group} groups`);
  return [x[0], K, ...windows(x, kernel.map(fixed), a)];
}

function multiplied([a, b, c]: readonly Dims[], { transA, transB }: Attributes): Dims {
  const [M, I] = transA ? [a[1], a[0]] : a;
  const [J, O] = transB ? [b[1], b[0]] : b;
  if (a.length !== 2 || b.length !== 2 || I !== J)
    throw new RangeError(`[${a}] and [${b}] cannot be multiplied`);
  if (c && broadcast(c, [M, O]).join() !== `${M},${O}`)
    throw new RangeError(`c [${c}] does not fit [${M},${O}]`);
  return [M, O];
}

function matrices([a, b]: readonly Dims[]): Dims {
  if (a.length < 2 || b.length < 2 || a.at(-1) !== b.at(-2))
    throw new RangeError(`[${a}] and [${b}] cannot be multiplied`);
  return [...broadcast(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!];
}

/** 0 keeps the dimension in that place, −1 takes what is left. */
function reshaped([x]: readonly Dims[], _: Attributes, integers: Integers): Dims {
  const target = integers(1);
  const result = target.map((dim, axis) => (dim === 0 ? x[axis] : dim));
  const open = target.indexOf(-1);
  if (open >= 0) {
    const known = result.filter((__, axis) => axis !== open);
    const rest = size(x) / size(known);
    const carries = x.some(isBatch) && !known.some(isBatch);
    result[open] = carries ? batched(rest) : rest;
  }
  if (
    size(result) !== size(x) ||
    result.some(isBatch) !== x.some(isBatch) ||
    result.some((d) => !Number.isInteger(factor(d)) || factor(d) < 1)
  ) {
    throw new RangeError(`[${x}] cannot be reshaped to [${target}]`);
  }
  return result;
}

function concatenated(x: readonly Dims[], { axis }: Attributes): Dims {
  const at = axis as number;
  for (const dims of x) {
    if (dims.length !== x[0].length || dims.some((dim, i) => i !== at && dim !== x[0][i]))
      throw new RangeError(`[${x[0]}] and [${dims}] cannot be concatenated`);
  }
  return x[0].map((dim, i) => (i === at ? x.reduce((sum, dims) => sum + fixed(dims[at]), 0) : dim));
}

/** Starts, ends, axes, steps; −1 with a negative step is the last, and an end beyond either side is that side. */
function sliced([x, ...bounds]: readonly Dims[], _: Attributes, integers: Integers): Dims {
  const [starts, ends, axes, steps] = bounds.map((__, i) => integers(i + 1));
  return x.map((dim, axis) => {
    const i = axes.indexOf(axis);
    if (i < 0) return dim;
    const extent = fixed(dim);
    const step = steps?.[i] ?? 1;
    const start = starts[i] < 0 ? starts[i] + extent : starts[i];
    const end = step < 0 ? Math.max(ends[i], -1) : Math.min(ends[i], extent);
    const count = Math.ceil((end - start) / step);
    if (start < 0 || start >= extent || !(count > 0))
      throw new RangeError(`[${x}] cannot be sliced from [${starts}] to [${ends}]`);
    return count;
  });
}

function transposed([x, w]: readonly Dims[], a: Attributes): Dims {
  if (x[1] !== w[0]) throw new RangeError(`w [${w}] does not fit x [${x}]`);
  const of = (name: string) => a[name] as readonly number[];
  const extents = of('kernel_shape').map((k, axis) => {
    const whole = (fixed(x[axis + 2]) - 1) * of('strides')[axis] + (k - 1) * of('dilations')[axis] + 1;
    return whole + of('output_padding')[axis] - of('pads')[axis] - of('pads')[axis + 2];
  });
  return [x[0], fixed(w[1]) * (a.group as number), ...extents];
}

const reduced: Operator = {
  attributes: { keepdims: 'int!' },
  inputs: [2, 2],
  shape: ([x], { keepdims }, integers) =>
    x.flatMap((dim, axis) => (integers(1).includes(axis) ? (keepdims ? [1] : []) : [dim])),
  mixed: [1],
};

const compared: Operator = { ...binary, makes: 'bool' };

function gathered([x, indices]: readonly Dims[], { axis }: Attributes): Dims {
  const at = axis as number;
  return [...x.slice(0, at), ...indices, ...x.slice(at + 1)];
}

function padded([x]: readonly Dims[], _: Attributes, integers: Integers): Dims {
  const pads = integers(1);
  return x.map((dim, axis) => {
    const added = pads[axis] + pads[axis + x.length];
    return added === 0 ? dim : fixed(dim) + added;
  });
}

const permuted = ([x]: readonly Dims[], { perm }: Attributes): Dims =>
  (perm as readonly number[]).map((axis) => x[axis]);

const selected = ([condition, a, b]: readonly Dims[]): Dims => broadcast(condition, broadcast(a, b));

/** Along `axes` the lengths that are the last input. */
const resized = ([x]: readonly Dims[], { axes }: Attributes, integers: Integers): Dims =>
  x.map((dim, axis) => integers(3)[(axes as readonly number[]).indexOf(axis)] ?? dim);

export const operators: Readonly<Record<string, Operator>> = {
  Add: binary,
  AveragePool: pool({ count_include_pad: 'int' }),
  Cast: { ...elementwise, attributes: { to: 'int!' } },
  Concat: { attributes: { axis: 'int!' }, inputs: [1, Number.POSITIVE_INFINITY], shape: concatenated },
  Conv: { attributes: convolution, inputs: [2, 3], shape: convolved },
  ConvTranspose: {
    attributes: { ...convolution, output_padding: 'ints!' },
    inputs: [2, 2],
    shape: transposed,
  },
  Div: binary,
  Equal: compared,
  Exp: elementwise,
  Flatten: { attributes: { axis: 'int!' }, inputs: [1, 1], shape: ([x]) => [x[0], size(x.slice(1))] },
  Gather: { attributes: { axis: 'int!' }, inputs: [2, 2], shape: gathered, mixed: [1] },
  Greater: compared,
  Gemm: {
    attributes: { alpha: 'float', beta: 'float', transA: 'int', transB: 'int' },
    inputs: [2, 3],
    shape: multiplied,
  },
  Identity: elementwise,
  Log: elementwise,
  LRN: { ...elementwise, attributes: { size: 'int!', alpha: 'float!', beta: 'float!', bias: 'float!' } },
  MatMul: { attributes: {}, inputs: [2, 2], shape: matrices },
  MaxPool: pool({}),
  Mod: binary,
  Mul: binary,
  Pad: { attributes: { mode: 'string' }, inputs: [2, 3], shape: padded, mixed: [1] },
  Pow: binary,
  ReduceMax: reduced,
  ReduceMean: reduced,
  ReduceMin: reduced,
  ReduceSum: reduced,
  Relu: elementwise,
  Reshape: { attributes: {}, inputs: [2, 2], shape: reshaped, mixed: [1] },
  Resize: {
    attributes: {
      ...{ mode: 'string!', coordinate_transformation_mode: 'string!', axes: 'ints!' },
      ...{ antialias: 'int!', exclude_outside: 'int!' },
    },
    inputs: [4, 4],
    shape: resized,
    mixed: [1, 2, 3],
  },
  Shape: {
    attributes: { start: 'int!', end: 'int!' },
    inputs: [1, 1],
    shape: (_, { start, end }) => [(end as number) - (start as number)],
    makes: 'int64',
  },
  Sigmoid: elementwise,
  Slice: { attributes: {}, inputs: [4, 5], shape: sliced, mixed: [1, 2, 3, 4] },
  Softmax: { ...elementwise, attributes: { axis: 'int!' } },
  Sqrt: elementwise,
  Sub: binary,
  Tanh: elementwise,
  Transpose: { attributes: { perm: 'ints!' }, inputs: [1, 1], shape: permuted },
  Where: { attributes: {}, inputs: [3, 3], shape: selected, mixed: [0], lead: 1 },
};
