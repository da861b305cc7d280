/**
 * Kernel, strides, dilations and pads of Conv, ConvTranspose and the pools, for any number of spatial dimensions.
 *
 * ONNX: pads are [x1_begin, x2_begin, …, x1_end, x2_end, …]. auto_pad SAME_UPPER and SAME_LOWER pad so that the output
 * has ⌈in / stride⌉ positions, an odd one at the end or at the beginning; VALID does not pad.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Node } from '../model.ts';
import { ints, text } from './kernel.ts';

export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/** One attribute with a value for each spatial dimension. */
export function perAxis(node: Node, name: string, rank: number, smallest: number, otherwise = 1): number[] {
  const values = ints(node, name) ?? new Array<number>(rank).fill(otherwise);
  if (values.length !== rank || !values.every((v) => Number.isSafeInteger(v) && v >= smallest)) {
    throw new Error(`attribute '${name}' must be ${rank} integers ≥ ${smallest} (= [${values}])`);
  }
  return [...values];
}

/** The geometry over an input of the spatial extents `extents`. */
export function geometry(node: Node, extents: Shape, kernel: readonly number[]): Geometry {
  const rank = extents.length;
  if (kernel.length !== rank || !kernel.every((v) => Number.isSafeInteger(v) && v > 0)) {
    throw new Error(`the kernel must be ${rank} positive integers (= [${kernel}])`);
  }
  const strides = perAxis(node, 'strides', rank, 1);
  const dilations = perAxis(node, 'dilations', rank, 1);
  const auto = text(node, 'auto_pad', 'NOTSET');
  if (auto === 'NOTSET') {
    const pads = ints(node, 'pads') ?? new Array<number>(2 * rank).fill(0);
    if (pads.length !== 2 * rank || !pads.every((v) => Number.isSafeInteger(v) && v >= 0)) {
      throw new Error(`attribute 'pads' must be ${2 * rank} integers ≥ 0 (= [${pads}])`);
    }
    return { kernel, strides, dilations, begin: pads.slice(0, rank), end: pads.slice(rank) };
  }
  if (auto === 'VALID') {
    const none = new Array<number>(rank).fill(0);
    return { kernel, strides, dilations, begin: none, end: none };
  }
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') throw new Error(`auto_pad '${auto}' is not known`);
  const total = extents.map((extent, i) => {
    const span = (kernel[i] - 1) * dilations[i] + 1;
    return Math.max((Math.ceil(extent / strides[i]) - 1) * strides[i] + span - extent, 0);
  });
  const small = total.map((t) => Math.floor(t / 2));
  const large = total.map((t) => Math.ceil(t / 2));
  const [begin, end] = auto === 'SAME_UPPER' ? [small, large] : [large, small];
  return { kernel, strides, dilations, begin, end };
}

/** Output extents; `ceil` adds a partial last window unless it would start in the padding at the end. */
export function outputExtents(extents: Shape, g: Geometry, ceil = false): number[] {
  return extents.map((extent, i) => {
    const span = (g.kernel[i] - 1) * g.dilations[i] + 1;
    const steps = (extent + g.begin[i] + g.end[i] - span) / g.strides[i];
    let count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    if (ceil && (count - 1) * g.strides[i] >= extent + g.begin[i]) count--;
    if (count < 1 || steps < 0) {
      throw new Error(`the kernel [${g.kernel}] does not fit the padded input (extents = [${extents}])`);
    }
    return count;
  });
}

/** Row-major position of a flat index. */
export function unravel(index: number, shape: Shape): number[] {
  const position = new Array<number>(shape.length);
  let rest = index;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return position;
}

/** Row-major flat index of a position. */
export const ravel = (position: readonly number[], shape: Shape): number =>
  position.reduce((index, p, axis) => index * shape[axis] + p, 0);

/**
 * Calls `visit(tap, input)` for every tap of the window at `position` that lies inside the input, row-major;
 * both are flat indices, into the kernel and into one map of the input.
 */
export function forEachTap(
  position: readonly number[],
  extents: Shape,
  g: Geometry,
  visit: (tap: number, input: number) => void,
): void {
  const rank = extents.length;
  const walk = (axis: number, tap: number, input: number): void => {
    if (axis === rank) {
      visit(tap, input);
      return;
    }
    const origin = position[axis] * g.strides[axis] - g.begin[axis];
    const d = g.dilations[axis];
    const first = Math.max(0, Math.ceil(-origin / d));
    const last = Math.min(g.kernel[axis] - 1, Math.floor((extents[axis] - 1 - origin) / d));
    for (let r = first; r <= last; r++) {
      walk(axis + 1, tap * g.kernel[axis] + r, input * extents[axis] + origin + r * d);
    }
  };
  walk(0, 0, 0);
}
