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
import { inputGradient, weightGradient } from './convgradients.ts';
import { parameters } from './parameters.ts';
import type { Reverse } from './reverse.ts';

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

/** db = Σ dy over images and positions; dw and dx as in convgradients.ts. */
export function backward(
  g: GraphBuilder,
  layer: Layer & { kind: 'conv2d' },
  { inputs: [x], dy, dx: [dx], wants }: Reverse,
): void {
  const [weight, bias] = [`${layer.name}.weight`, `${layer.name}.bias`];
  if (g.has(bias) && wants(bias)) {
    g.node('ReduceSum', [dy, g.integers(`d${bias}/axes`, [0, 2, 3])], `d${bias}`, { keepdims: 0 });
  }
  if (wants(weight)) weightGradient(g, layer, x, dy, `d${weight}`);
  if (dx !== null) inputGradient(g, layer, [x, weight, dy], dx);
}
