/**
 * Average pooling.
 *
 * ONNX         AveragePool, versions 1, 7, 10, 11. Rounding up is written as end pads.
 *              divisor 'window': count_include_pad = 1, as every window lies inside the explicit pads.
 *              divisor 'valid': count_include_pad = 0.
 *              divisor 'caffe': the declared padding counts, what lies beyond it does not: the declared
 *              padding is made real by Pad, the rest is not counted.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  ceil_mode: with count_include_pad its divisor changed in version 19. An average of no pixel at all.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import type { Emit, EmitBackward } from './emitter.ts';
import { sandwiched, transposedMatrix } from './sandwich.ts';
import { explicitPads, hasEmptyWindow, imagePads } from './window.ts';

export const paper = '';

export const emit: Emit<'avgpool'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const { kernel, stride, pad, divisor } = attributes;
  const pads = explicitPads('avgpool', g.dims(x), attributes);
  if (hasEmptyWindow(pads, attributes)) {
    throw new RangeError(
      `avgpool: the last window lies outside the image (x = [${g.dims(x)}], stride = [${stride}])`,
    );
  }
  const window = { kernel_shape: kernel, strides: stride };
  const beyond = [0, 1].some((axis) => pads[2 + axis] > pad[2 + axis]);
  const declared = pad.some((p) => p > 0);
  if (divisor !== 'caffe' || !beyond || !declared) {
    const counted = divisor === 'window' || (divisor === 'caffe' && !beyond) ? 1 : 0;
    return g.node('AveragePool', [x], name, { ...window, pads, count_include_pad: counted }, paper);
  }
  const made = [pad[0], pad[1], Math.min(pads[2], pad[2]), Math.min(pads[3], pad[3])];
  const zero = g.scalar(`${name}/zero`, 0);
  const amounts = [g.integers(`${name}/pads`, imagePads(made)), zero];
  const padded = g.node('Pad', [x, ...amounts], `${name}/padded`, { mode: 'constant' });
  const rest = [0, 0, pads[2] - made[2], pads[3] - made[3]];
  return g.node('AveragePool', [padded], name, { ...window, pads: rest, count_include_pad: 0 }, paper);
};

/** dx = Aᵀ·dy·B, where row p of A holds 1/(rows of window p) under the window's rows, and B the same for columns. */
export const backward: EmitBackward<'avgpool'> = (g, layer, { inputs: [x], y, dy, dx: [dx] }) => {
  const [H, W] = g.dims(x).slice(2) as number[];
  const [P, Q] = g.dims(y).slice(2) as number[];
  const a = shares(layer.attributes, 0, P, H);
  const b = shares(layer.attributes, 1, Q, W);
  sandwiched(g, [transposedMatrix(a, P, H), dy, b], [H, P, Q, W], dx);
};

/**
 * a[p·extent + h] = 1/(length of window p on that axis) where window p contains h; the divisor is the
 * lengths' product.
 */
function shares(
  { kernel, stride, pad, divisor }: LayerOf<'avgpool'>['attributes'],
  axis: 0 | 1,
  count: number,
  extent: number,
): Float64Array {
  const a = new Float64Array(count * extent);
  for (let p = 0; p < count; p++) {
    const start = p * stride[axis] - pad[axis];
    const end = start + kernel[axis];
    const first = Math.max(start, 0);
    const last = Math.min(end, extent);
    const caffe = Math.min(end, extent + pad[2 + axis]) - start;
    const length = { window: kernel[axis], caffe, valid: last - first }[divisor];
    a.fill(1 / length, p * extent + first, p * extent + last);
  }
  return a;
}
