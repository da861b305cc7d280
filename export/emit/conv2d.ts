/**
 * 2-d convolution in groups.
 *
 * ONNX         Conv, versions 1, 11; pads are [top, left, bottom, right], all attributes written out.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  auto_pad, and the two-tower form with Split and Concat: `group` is the same arithmetic.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';
import { parameters } from './parameters.ts';

export const paper = 'section 3.5';

export function emit(
  g: GraphBuilder,
  layer: Layer & { kind: 'conv2d' },
  [x]: readonly string[],
  weights: Weights,
): string {
  const { stride, pad, dilation, groups } = layer.attributes;
  const window = {
    kernel_shape: layer.kernel,
    strides: stride,
    pads: pad,
    dilations: dilation,
    group: groups,
  };
  return g.node('Conv', [x, ...parameters(g, layer.name, weights)], layer.name, window, paper);
}
