/**
 * Max-pooling.
 *
 * ONNX         MaxPool, versions 1, 8, 10, 11, 12; padding acts as −∞. Rounding up is written as end pads.
 *              An empty window is Caffe's −FLT_MAX (float16: −65504): Pad with that value in front.
 * Spec         spec/export/emit.spec.ts
 *              Training: rows first, then columns, two MaxPools with the same result; backward compares and
 *              gathers along one axis at a time, without scatter or atomics, so every device gives the same bits.
 * Ties         every maximum of a window gets its gradient (cuda-convnet's rule); PyTorch and Caffe give it
 * to the first.
 *              The two differ for positive ties alone: at 0, ReLU passes nothing on.
 * Not emitted  ceil_mode (see window.ts). Indices and ScatterElements: WebGPU claims them and fails when it runs.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import { tensor } from '../../reference/tensor.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Reverse } from './reverse.ts';
import { explicitPads, hasEmptyWindow, imagePads } from './window.ts';

export const paper = 'section 3.4';

const LOWEST = { float32: -3.4028234663852886e38, float16: -65504 };

export function emit(g: GraphBuilder, layer: Layer & { kind: 'maxpool' }, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  const { kernel, stride } = attributes;
  const pads = explicitPads('maxpool', g.dims(x), attributes);
  const window = { kernel_shape: kernel, strides: stride };
  if (!hasEmptyWindow(pads, attributes)) return g.node('MaxPool', [x], name, { ...window, pads }, paper);
  const amounts = g.integers(`${name}/pads`, imagePads(pads));
  const lowest = g.scalar(`${name}/lowest`, LOWEST[g.settings.precision]);
  const padded = g.node('Pad', [x, amounts, lowest], `${name}/padded`, { mode: 'constant' });
  return g.node('MaxPool', [padded], name, { ...window, pads: [0, 0, 0, 0] }, paper);
}

type Maxpool = Layer & { kind: 'maxpool' };

/** Forward in training: `<layer>/rows` is the maximum over the window's rows, `<layer>` over its columns. */
export function emitTraining(g: GraphBuilder, layer: Maxpool, [x]: readonly string[]): string {
  const { name, attributes } = layer;
  const { kernel, stride } = attributes;
  const pads = explicitPads('maxpool', g.dims(x), attributes);
  if (hasEmptyWindow(pads, attributes))
    throw new Error('maxpool: a window outside the image cannot be trained');
  const [high, wide] = [
    { kernel_shape: [kernel[0], 1], strides: [stride[0], 1], pads: [pads[0], 0, pads[2], 0] },
    { kernel_shape: [1, kernel[1]], strides: [1, stride[1]], pads: [0, pads[1], 0, pads[3]] },
  ];
  return g.node('MaxPool', [g.node('MaxPool', [x], `${name}/rows`, high)], name, wide, paper);
}

/** dx[h] = Σ over the windows p that contain h of dy[p] where x[h] = y[p]: columns first, then rows. */
export function backward(g: GraphBuilder, layer: Maxpool, { inputs: [x], y, dy, dx: [dx] }: Reverse): void {
  if (dx === null) return;
  const rows = `${layer.name}/rows`;
  alongAxis(g, layer, 1, [rows, y, dy, `${dx}/rows`]);
  alongAxis(g, layer, 0, [x, rows, `${dx}/rows`, dx]);
}

/** One axis of backward. Window ⌊(h + pad)/stride⌋ − j is the j-th that contains h: one Gather for each j. */
function alongAxis(
  g: GraphBuilder,
  { attributes }: Maxpool,
  axis: 0 | 1,
  [x, y, dy, dx]: readonly [string, string, string, string],
): void {
  const [R, stride, pad] = [attributes.kernel[axis], attributes.stride[axis], attributes.pad[axis]];
  const [H, P] = [g.dims(x)[2 + axis] as number, g.dims(y)[2 + axis] as number];
  const maps: Windows[] = [];
  for (let j = 0; j * stride < R; j++) {
    const windows = Array.from({ length: H }, (_, h) => Math.floor((h + pad) / stride) - j);
    const inside = windows.map((p, h) => p >= 0 && p < P && h + pad - p * stride < R);
    if (inside.includes(true)) maps.push({ windows, inside });
  }
  const zero = g.scalar(`${dx}/zero`, 0);
  let sum = '';
  for (const [j, map] of maps.entries()) {
    const last = j === maps.length - 1;
    const name = last && j === 0 ? dx : `${dx}/share${j}`;
    const share = shareOf(g, map, axis, [x, y, dy, zero], [name, `${dx}/${j}`]);
    sum = j === 0 ? share : g.node('Add', [sum, share], last ? dx : `${dx}/sum${j}`);
  }
}

interface Windows {
  /** The window of each row or column, and whether it exists and contains it. */
  readonly windows: readonly number[];
  readonly inside: readonly boolean[];
}

/** dy of each value's window where the value is that window's maximum, else 0. */
function shareOf(
  g: GraphBuilder,
  { windows, inside }: Windows,
  axis: 0 | 1,
  [x, y, dy, zero]: readonly [string, string, string, string],
  [name, prefix]: readonly [string, string],
): string {
  const map = Int32Array.from(windows, (p, h) => (inside[h] ? p : 0));
  const indices = g.counters(`${prefix}/windows`, map, [map.length]);
  const value = g.node('Gather', [y, indices], `${prefix}/y`, { axis: 2 + axis });
  const gradient = g.node('Gather', [dy, indices], `${prefix}/dy`, { axis: 2 + axis });
  const whole = !inside.includes(false);
  const share = g.node(
    'Where',
    [g.node('Equal', [x, value], `${prefix}/is`), gradient, zero],
    whole ? name : `${prefix}/all`,
  );
  if (whole) return share;
  const shape = axis === 0 ? [map.length, 1] : [map.length];
  const mask = g.initializer(`${prefix}/inside`, tensor(Float32Array.from(inside, Number), shape));
  return g.node('Mul', [share, mask], name);
}
