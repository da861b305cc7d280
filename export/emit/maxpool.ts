/**
 * Max-pooling.
 *
 * ONNX         MaxPool, versions 1, 8, 10, 11, 12; padding acts as −∞. Rounding up is written as end pads.
 *              An empty window is Caffe's −FLT_MAX (float16: −65504): Pad with that value in front.
 *              Training: rows first, then columns, two MaxPools with the same result; backward compares and
 *              gathers along one axis at a time, without scatter or atomics, so every device gives the same bits.
 * Ties         every maximum of a window gets its gradient (cuda-convnet's rule); PyTorch and Caffe give it to the
 *              first. The two differ for positive ties alone: at 0, ReLU passes nothing on.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  ceil_mode (see window.ts). Indices and ScatterElements: WebGPU claims them and fails when it runs.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Emit, EmitBackward, EmitTraining } from './emitter.ts';
import { explicitPads, hasEmptyWindow, imagePads } from './window.ts';

export const paper = 'section 3.4';

const LOWEST = { float32: -3.4028234663852886e38, float16: -65504 };

export const emit: Emit<'maxpool'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const { kernel, stride } = attributes;
  const pads = explicitPads('maxpool', g.dims(x), attributes);
  const window = { kernel_shape: kernel, strides: stride };
  if (!hasEmptyWindow(pads, attributes)) return g.node('MaxPool', [x], name, { ...window, pads }, paper);
  const amounts = g.integers(`${name}/pads`, imagePads(pads));
  const lowest = g.scalar(`${name}/lowest`, LOWEST[g.settings.precision]);
  const padded = g.node('Pad', [x, amounts, lowest], `${name}/padded`, { mode: 'constant' });
  return g.node('MaxPool', [padded], name, { ...window, pads: [0, 0, 0, 0] }, paper);
};

type Maxpool = LayerOf<'maxpool'>;

/** Forward in training: `<layer>/rows` is the maximum over the window's rows, `<layer>` over its columns. */
export const emitTraining: EmitTraining<'maxpool'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const { kernel, stride } = attributes;
  const pads = explicitPads('maxpool', g.dims(x), attributes);
  if (hasEmptyWindow(pads, attributes))
    throw new RangeError('maxpool: a window outside the image cannot be trained');
  const high = { kernel_shape: [kernel[0], 1], strides: [stride[0], 1], pads: [pads[0], 0, pads[2], 0] };
  const wide = { kernel_shape: [1, kernel[1]], strides: [1, stride[1]], pads: [0, pads[1], 0, pads[3]] };
  return g.node('MaxPool', [g.node('MaxPool', [x], `${name}/rows`, high)], name, wide, paper);
};

/** dx[h] = Σ over the windows p that contain h of dy[p] where x[h] = y[p]: columns first, then rows. */
export const backward: EmitBackward<'maxpool'> = (g, layer, { inputs: [x], y, dy, dx: [dx] }) => {
  const rows = `${layer.name}/rows`;
  alongAxis(g, layer, 1, [rows, y, dy, `${dx}/rows`]);
  alongAxis(g, layer, 0, [x, rows, `${dx}/rows`, dx]);
};

/**
 * One axis of backward. Window ⌊(h + pad)/stride⌋ − j is the j-th that contains h; where there is none that
 * reaches h, it gets the row of zeros at the end of dy. Cast and Mul instead of Where: they take half as long
 * on the CPU (and a dy that is NaN or infinite reaches the window's other values).
 */
function alongAxis(
  g: GraphBuilder,
  { attributes }: Maxpool,
  axis: 0 | 1,
  [x, y, dy, dx]: readonly [string, string, string, string],
): void {
  const R = attributes.kernel[axis];
  const stride = attributes.stride[axis];
  const pad = attributes.pad[axis];
  const H = g.dims(x)[2 + axis] as number;
  const P = g.dims(y)[2 + axis] as number;
  const mapsLast = g.settings.target === 'webgpu';
  const at = mapsLast ? 1 + axis : 1;
  const values = inMiddle(g, x, axis, `${dx}/x`);
  const maxima = inMiddle(g, y, axis, `${dx}/y`);
  const pads = g.dims(values).flatMap(() => [0, 0]);
  pads[pads.length / 2 + at] = 1;
  const amounts = [g.integers(`${dx}/pads`, pads), g.scalar(`${dx}/zero`, 0)];
  const gradients = [inMiddle(g, dy, axis, `${dx}/dy`), ...amounts];
  const padded = g.node('Pad', gradients, `${dx}/padded`, { mode: 'constant' });
  const read = (from: string, indices: string, places: Iterable<number>, output: string) =>
    g.node('Gather', [from, g.counters(indices, places, [H])], output, { axis: at });
  let sum = '';
  for (let j = 0; j * stride < R; j++) {
    const windows = Array.from({ length: H }, (_, h) => {
      const p = Math.floor((h + pad) / stride) - j;
      return p >= 0 && p < P && h + pad - p * stride < R ? p : P;
    });
    const prefix = `${dx}/${j}`;
    const nearest = windows.map((p) => Math.min(p, P - 1));
    const maximum = read(maxima, `${prefix}/nearest`, nearest, `${prefix}/y`);
    const gradient = read(padded, `${prefix}/windows`, windows, `${prefix}/dy`);
    const is = g.node('Equal', [values, maximum], `${prefix}/is`);
    const share = g.node('Mul', [g.cast(is, `${prefix}/one`, 'float32'), gradient], `${prefix}/share`);
    sum = j === 0 ? share : g.node('Add', [sum, share], `${prefix}/sum`);
  }
  if (mapsLast) g.transpose(sum, [0, 3, 1, 2], dx);
  else g.reshape(axis === 1 ? g.transpose(sum, [0, 2, 1], `${dx}/back`) : sum, g.dims(x) as number[], dx);
}

/**
 * (N·C,H,W), or (N,W,C·H) for columns: Gather copies long blocks, where single values took ten times as long. On
 * WebGPU (N,H,W,C), as its convolutions leave the maps: onnxruntime takes this Transpose out against its own.
 */
function inMiddle(g: GraphBuilder, x: string, axis: 0 | 1, output: string): string {
  if (g.settings.target === 'webgpu') return g.transpose(x, [0, 2, 3, 1], output);
  const [N, C, H, W] = g.dims(x) as number[];
  const flat = g.reshape(x, axis === 0 ? [N * C, H, W] : [N, C * H, W], `${output}/flat`, `${output}/shape`);
  return axis === 0 ? flat : g.transpose(flat, [0, 2, 1], output);
}
