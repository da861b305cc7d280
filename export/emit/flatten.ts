/**
 * Flattens all but the batch axis.
 *
 * ONNX         Flatten, versions 1, 9, 11, 13; axis 1. H,W,C order: Transpose in front.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Reshape, which would have to name the batch.
 */
import type { Emit, EmitBackward } from './emitter.ts';

export const paper = '';

export const emit: Emit<'flatten'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  const moved = attributes.order === 'HWC' && g.dims(x).length === 4;
  const maps = moved ? g.transpose(x, [0, 2, 3, 1], `${name}/hwc`) : x;
  return g.node('Flatten', [maps], name, { axis: 1 }, paper);
};

/** The same values under x's shape. */
export const backward: EmitBackward<'flatten'> = (g, layer, { inputs, dy, dx: [dx] }) => {
  const [, ...rest] = g.dims(inputs[0]) as number[];
  if (layer.attributes.order === 'CHW' || rest.length !== 3) {
    g.reshape(dy, [-1, ...rest], dx);
    return;
  }
  const [C, H, W] = rest;
  g.transpose(g.reshape(dy, [-1, H, W, C], `${dx}/hwc`, `${dx}/shape`), [0, 3, 1, 2], dx);
};
