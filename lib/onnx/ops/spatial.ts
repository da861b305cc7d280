/**
 * Kernel, strides, dilations and pads of Conv, ConvTranspose and the pools, for any number of spatial dimensions.
 *
 * ONNX: pads are [x1_begin, x2_begin, …, x1_end, x2_end, …]. auto_pad SAME_UPPER and SAME_LOWER pad so that the output
 * has ⌈in / stride⌉ positions, an odd one at the end or at the beginning; VALID does not pad.
 */
import type { Shape } from '../../../reference/tensor.ts';
import type { Attributes } from './kernel.ts';

export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/** One attribute of `count` integers, `otherwise` each where it is absent. */
export function perAxis(
  a: Attributes,
  name: string,
  count: number,
  smallest: number,
  otherwise = smallest,
): number[] {
  const values = a.ints(name) ?? new Array<number>(count).fill(otherwise);
  if (values.length !== count || !values.every((v) => Number.isSafeInteger(v) && v >= smallest)) {
    throw new Error(`attribute '${name}' must be ${count} integers ≥ ${smallest} (= [${values}])`);
  }
  return [...values];
}

type Pads = Pick<Geometry, 'begin' | 'end'>;

/** The attribute, or zeros. */
export function padsOf(a: Attributes, rank: number, smallest = 0): Pads {
  const pads = perAxis(a, 'pads', 2 * rank, smallest, 0);
  return { begin: pads.slice(0, rank), end: pads.slice(rank) };
}

/** Padding shared between both ends of each axis, an odd one at the end (`upper`) or at the beginning. */
export function shared(total: readonly number[], upper: boolean): Pads {
  const small = total.map((t) => Math.floor(t / 2));
  const large = total.map((t) => Math.ceil(t / 2));
  return upper ? { begin: small, end: large } : { begin: large, end: small };
}

export const autoPad = (a: Attributes) => a.word('auto_pad', 'NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER');

/** The geometry over an input of the spatial extents `extents`. */
export function geometry(a: Attributes, extents: Shape, kernel: readonly number[]): Geometry {
  const rank = extents.length;
  if (kernel.length !== rank || !kernel.every((v) => Number.isSafeInteger(v) && v > 0)) {
    throw new Error(`the kernel must be ${rank} positive integers (= [${kernel}])`);
  }
  const strides = perAxis(a, 'strides', rank, 1);
  const dilations = perAxis(a, 'dilations', rank, 1);
  const auto = autoPad(a);
  if (auto === 'NOTSET') return { kernel, strides, dilations, ...padsOf(a, rank) };
  const total = extents.map((extent, i) => {
    if (auto === 'VALID') return 0;
    const span = (kernel[i] - 1) * dilations[i] + 1;
    return Math.max((Math.ceil(extent / strides[i]) - 1) * strides[i] + span - extent, 0);
  });
  return { kernel, strides, dilations, ...shared(total, auto === 'SAME_UPPER') };
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

/** A place in the kernel and the element of the input that it meets: along one axis, or flat over all. */
export type Tap = readonly [tap: number, input: number];

/** All combinations of what meets along each axis, row-major. */
export function combineTaps(
  kernel: Shape,
  extents: Shape,
  along: (axis: number) => readonly Tap[],
): readonly Tap[] {
  let taps: readonly Tap[] = [[0, 0]];
  for (const [axis, extent] of extents.entries()) {
    const inner = along(axis);
    taps = taps.flatMap(([tap, input]) =>
      inner.map(([r, i]): Tap => [tap * kernel[axis] + r, input * extent + i]),
    );
  }
  return taps;
}

/** The taps of the window at `position` that lie inside the input. */
export const tapsAt = (position: readonly number[], extents: Shape, g: Geometry): readonly Tap[] =>
  combineTaps(g.kernel, extents, (axis) => {
    const origin = position[axis] * g.strides[axis] - g.begin[axis];
    const d = g.dilations[axis];
    const first = Math.max(0, Math.ceil(-origin / d));
    const last = Math.min(g.kernel[axis] - 1, Math.floor((extents[axis] - 1 - origin) / d));
    const count = Math.max(0, last - first + 1);
    return Array.from({ length: count }, (_, k) => [first + k, origin + (first + k) * d]);
  });
