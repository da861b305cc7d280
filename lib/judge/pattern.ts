/**
 * How the values that are wrong lie, which tells what went wrong: in one channel (its kernel, its bias), in every
 * fourth (a lane of a vector), at the border (padding), from an index on (the tail of a loop), in one image.
 */
import type { Shape } from '../../reference/tensor.ts';

/** The indices that occur along an axis: `count` of them, `step` apart, 0 where they are not evenly so. */
export interface Span {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly step: number;
}

export interface Pattern {
  readonly axes: readonly Span[];
  /** Width of the border of a plane, its last two of four axes, within which all lie; null where it is no border. */
  readonly border: number | null;
  /** The first of them, where nearly all behind it are wrong too and no axis says so; else null. */
  readonly from: readonly number[] | null;
}

/** Of the elements that are `wrong`, of which there is one at least. */
export function patternOf(shape: Shape, wrong: (at: number) => boolean): Pattern {
  const size = shape.reduce((n, extent) => n * extent, 1);
  const seen = shape.map((extent) => new Uint8Array(extent));
  const index = shape.map(() => 0);
  const [H, W] = shape.slice(-2);
  let [first, last, count, depth] = [-1, -1, 0, 0];
  for (let at = 0; at < size; at++) {
    if (!wrong(at)) continue;
    for (let axis = shape.length - 1, rest = at; axis >= 0; rest = Math.floor(rest / shape[axis--]))
      index[axis] = rest % shape[axis];
    for (const [axis, i] of index.entries()) seen[axis][i] = 1;
    const [h, w] = index.slice(-2);
    depth = Math.max(depth, Math.min(h, H - 1 - h, w, W - 1 - w));
    if (first < 0) first = at;
    last = at;
    count++;
  }
  const axes = seen.map(spanOf);
  const across = axes.slice(-2).every(({ count }, axis) => count === [H, W][axis]);
  const isBorder = shape.length === 4 && across && 4 * (depth + 1) <= Math.min(H, W);
  const behind = size - first;
  const box = axes.reduce((n, { count }) => n * count, 1);
  const isTail = first > 0 && 2 * count >= behind && 8 * (size - 1 - last) <= behind && box > behind;
  return { axes, border: isBorder ? depth + 1 : null, from: isTail ? indexOf(first, shape) : null };
}

function spanOf(seen: Uint8Array): Span {
  const found = [...seen.keys()].filter((i) => seen[i] === 1);
  const step = found.length > 1 ? found[1] - found[0] : 1;
  const isEven = found.every((i, nth) => i === found[0] + nth * step);
  return { first: found[0], last: found[found.length - 1], count: found.length, step: isEven ? step : 0 };
}

/** Position of an element, row-major, as an index along each axis. */
export function indexOf(at: number, shape: Shape): number[] {
  const index: number[] = [];
  let rest = at;
  for (const extent of [...shape].reverse()) {
    index.unshift(rest % extent);
    rest = Math.floor(rest / extent);
  }
  return index;
}

/** What holds for the wrong values of several images, each judged alone: null for an image without any. */
export function patternOfImages(images: readonly (Pattern | null)[]): Pattern | null {
  const found = images.flatMap((pattern, n) => (pattern ? [{ pattern, n }] : []));
  if (found.length === 0) return null;
  const [{ pattern, n }] = found;
  const axes = pattern.axes.map((span, axis): Span => {
    if (axis === 0) return spanOf(Uint8Array.from(images, (one) => (one ? 1 : 0)));
    const all = found.map((one) => one.pattern.axes[axis]);
    const [first, last] = [Math.min(...all.map((s) => s.first)), Math.max(...all.map((s) => s.last))];
    const isOne = all.every((one) => one.first === first && one.last === last && one.count === span.count);
    return isOne ? span : { first, last, count: last - first + 1, step: 1 };
  });
  const borders = found.map((one) => one.pattern.border);
  const border = borders.includes(null) ? null : Math.max(...(borders as number[]));
  const from = found.length === 1 && pattern.from ? [n, ...pattern.from.slice(1)] : null;
  return { axes, border, from };
}

/** Names of an index along each axis of a layer's values. */
export const axesOf = (shape: Shape, channel = 'output channel'): readonly string[] =>
  shape.length === 2 || shape.length === 4
    ? ['image', channel, 'row', 'column']
    : shape.map((_, axis) => `axis-${axis} position`);

/** The same of a parameter. */
export const PARAMETER_AXES = ['output channel', 'input channel', 'kernel row', 'kernel column'] as const;

/**
 * 'all in output channel 5, rows 0 to 1 of 13'; '' where they lie everywhere, or it is one. `names` are those of an
 * index along each axis.
 */
export function patternText({ axes, border, from }: Pattern, shape: Shape, names: readonly string[]): string {
  if (axes.every(({ count }) => count === 1)) return '';
  const places = axes.map((span, axis) => spanText(names[axis], span, shape[axis]));
  if (border !== null) places.push(border === 1 ? 'the border' : `the outer ${border} rows and columns`);
  const inside = places.filter(Boolean).join(', ');
  const parts = [...(inside ? [`in ${inside}`] : []), ...(from ? [`from [${from.join(', ')}] on`] : [])];
  return parts.length > 0 ? `all ${parts.join(', ')}` : '';
}

function spanText(name: string, { first, last, count, step }: Span, extent: number): string {
  if (count === extent) return '';
  if (count === 1) return `${name} ${first}`;
  if (step === 1) return `${name}s ${first} to ${last} of ${extent}`;
  if (count === 2) return `${name}s ${first} and ${last} of ${extent}`;
  if (step > 1) return `every ${ordinal(step)} ${name} from ${first} to ${last}`;
  return `${count} of the ${name}s ${first} to ${last}`;
}

const suffixes: Record<string, string> = { one: 'st', two: 'nd', few: 'rd' };
const rules = new Intl.PluralRules('en', { type: 'ordinal' });
const ordinal = (n: number): string => `${n}${suffixes[rules.select(n)] ?? 'th'}`;
