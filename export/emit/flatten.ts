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
  const maps = moved ? g.node('Transpose', [x], `${name}/hwc`, { perm: [0, 2, 3, 1] }) : x;
  return g.node('Flatten', [maps], name, { axis: 1 }, paper);
};

/** The same values under x's shape. */
export const backward: EmitBackward<'flatten'> = (g, layer, { inputs, dy, dx: [dx] }) => {
  if (dx === null) return;
  const [, ...rest] = g.dims(inputs[0]) as number[];
  if (layer.attributes.order === 'CHW' || rest.length !== 3) {
    g.node('Reshape', [dy, g.integers(`${dx}/shape`, [-1, ...rest])], dx);
    return;
  }
  const [C, H, W] = rest;
  const maps = g.node('Reshape', [dy, g.integers(`${dx}/shape`, [-1, H, W, C])], `${dx}/hwc`);
  g.node('Transpose', [maps], dx, { perm: [0, 3, 1, 2] });
};
