/**
 * Pictures of any size to squares, in the graph: columns, rows and crop of reference/input/pixels.ts, in bytes, by
 * Resize of opset 18.
 *
 * A Resize for each axis: what is rounded between the axes of one, ONNX does not say. In bytes: onnxruntime then has
 * Pillow's fixed point. Channels last: behind a Transpose onnxruntime 1.30 loses lengths that are computed ("Number of
 * elements of input 'sizes' (0) does not match the number of axes").
 */
import { centreWindow, type Preprocess } from '../reference/input/preprocess.ts';
import type { GraphBuilder } from './graph.ts';

export const RESIZE_OPSET = 18;

const paper = 'section 2';
const filter = {
  mode: 'linear',
  antialias: 1,
  exclude_outside: 1,
  coordinate_transformation_mode: 'half_pixel',
};

/** Adds the values image/columns, image/rows and, where there is one, image/crop: (N,S,S,3). */
export function emitResized(g: GraphBuilder, image: string, spec: Preprocess, side: number): string {
  const { mode, size } = spec.resize;
  const extent = mode === 'shorter' ? emitExtent(g, image, size) : undefined;
  const [N, H] = g.dims(image);
  const [h, w] = extent ? ['h', 'w'] : [size, size];
  const along = (x: string, axis: 1 | 2, kind: string, dims: (string | number)[]): string => {
    const prefix = `${image}/${kind}`;
    const length = extent
      ? g.node('Gather', [extent, g.counters(`${prefix}/at`, [axis - 1], [1])], `${prefix}/length`, {
          axis: 0,
        })
      : g.integers(`${prefix}/length`, [size]);
    return g.node('Resize', [x, '', '', length], prefix, { ...filter, axes: [axis] }, paper, dims);
  };
  const columns = along(image, 2, 'columns', [N, H, w, 3]);
  const rows = along(columns, 1, 'rows', [N, h, w, 3]);
  const crop = { size: side, offset: spec.crop.offset };
  if (extent) return emitCrop(g, rows, extent, crop, `${image}/crop`);
  if (side === size) return rows;
  const { x, y } = centreWindow(size, size, crop);
  const bounds = { starts: [y, x], ends: [y + side, x + side], axes: [1, 2] };
  return g.slice(rows, bounds, `${image}/crop`, `${image}/crop`, paper);
}

/** [h, w]: both sides times `size`, by the shorter one, rounded down. */
function emitExtent(g: GraphBuilder, image: string, size: number): string {
  const extent = `${image}/columns/extent`;
  const own = g.node('Shape', [image], `${extent}/own`, { start: 1, end: 3 });
  const shorter = g.node('ReduceMin', [own, g.integers(`${extent}/axes`, [0])], `${extent}/shorter`, {
    keepdims: 1,
  });
  const scaled = g.node('Mul', [own, g.integers(`${extent}/size`, [size])], `${extent}/scaled`);
  return g.node('Div', [scaled, shorter], extent, {}, paper);
}

/** The centre of [h, w], as `centreOffset` has it: half of an odd rest, to even, is (rest + ⌊rest/2⌋ mod 2)/2. */
function emitCrop(
  g: GraphBuilder,
  x: string,
  extent: string,
  { size, offset }: Preprocess['crop'],
  crop: string,
): string {
  const two = g.integers(`${crop}/two`, [2]);
  const side = g.integers(`${crop}/side`, [size]);
  const rest = g.node('Sub', [extent, side], `${crop}/rest`);
  const down = g.node('Div', [rest, two], `${crop}/down`);
  const even = (): string => {
    const odd = g.node('Mod', [down, two], `${crop}/odd`);
    return g.node('Div', [g.node('Add', [rest, odd], `${crop}/twice`), two], `${crop}/starts`);
  };
  const starts = offset === 'floor' ? down : even();
  const ends = g.node('Add', [starts, side], `${crop}/ends`);
  const axes = g.integers(`${crop}/axes`, [1, 2]);
  const [N] = g.dims(x);
  return g.node('Slice', [x, starts, ends, axes], crop, {}, paper, [N, size, size, 3]);
}
