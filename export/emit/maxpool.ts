/**
 * Max-pooling.
 *
 * ONNX         MaxPool, versions 1, 8, 10, 11, 12; padding acts as −∞. Rounding up is written as end pads.
 *              An empty window is Caffe's −FLT_MAX (float16: −65504): Pad with that value in front.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  ceil_mode (see window.ts), Indices.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
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
