/**
 * 2-d convolution in groups.
 *
 * ONNX         Conv, versions 1, 11; pads are [top, left, bottom, right], all attributes written out.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  auto_pad, and the two-tower form with Split and Concat: `group` is the same arithmetic.
 */
import { shape } from '../../reference/ops/conv2d.ts';
import { emitInputGradient, emitWeightGradient, isSmall, unfolded } from './convgradients.ts';
import type { Emit, EmitBackward, EmitTraining } from './emitter.ts';
import { emitBiasGradient, parameters } from './parameters.ts';
import { productMaps } from './unfold.ts';

export const paper = 'section 3.5';

export const emit: Emit<'conv2d'> = (g, layer, [x], weights) => {
  const { stride, pad, dilation, groups } = layer.attributes;
  const attributes = {
    kernel_shape: layer.kernel,
    strides: stride,
    pads: pad,
    dilations: dilation,
    group: groups,
  };
  return g.node('Conv', [x, ...parameters(g, layer.name, weights)], layer.name, attributes, paper);
};

/** In training: as a product of matrices where that is faster than onnxruntime's Conv. */
export const emitTraining: EmitTraining<'conv2d'> = (g, layer, [x]) => {
  const { name, kernel, channels: K } = layer;
  const { groups: G } = layer.attributes;
  const [weight, bias] = parameters(g, name, new Map());
  const [, , P, Q] = shape([g.dims(x), g.dims(weight)] as number[][], layer.attributes);
  if (!isSmall(g, P * Q, K / G)) return emit(g, layer, [x], new Map());
  const CG = (g.dims(x)[1] as number) / G;
  const T = kernel[0] * kernel[1];
  const taps = g.reshape(weight, [K, CG, T], `${name}/taps`);
  const last = g.transpose(taps, [0, 2, 1], `${name}/last`);
  const rows = g.reshape(last, [G, K / G, T * CG], `${name}/rows`);
  const pieces = unfolded(g, layer, x, [P, Q], `${name}/unfolded`);
  const maps = productMaps(g, rows, pieces, [K, P, Q], bias ? `${name}/maps` : name);
  if (!bias) return maps;
  return g.node('Add', [maps, g.reshape(bias, [K, 1, 1], `${name}/bias`)], name, {}, paper);
};

/** db = Σ dy over images and positions; dw and dx as in convgradients.ts. */
export const backward: EmitBackward<'conv2d'> = (g, layer, { inputs: [x], dy, dx: [dx], wants }) => {
  const weight = `${layer.name}.weight`;
  emitBiasGradient(g, layer.name, dy, [0, 2, 3], wants);
  if (wants(weight)) emitWeightGradient(g, layer, x, dy, `d${weight}`);
  if (dx !== null) emitInputGradient(g, layer, [x, weight, dy], dx);
};
