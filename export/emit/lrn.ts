/**
 * Local response normalisation across channels.
 *
 * ONNX         native: LRN, versions 1, 13. It divides α by the window's size, so α·size is written where the network
 *              does not. Groups become images: Reshape to (N·G, C/G, H, W) and back.
 *              decomposed: squares as one map of C/G rows and H·W columns an image and group, AveragePool over `size`
 *              rows with zeros counted, then s = k + α′·size·mean and x / s^β.
 *              Even windows are always decomposed: onnxruntime refuses them, and ONNX has only the kind 'above'.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  float16: it is computed in float32 between two Casts.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import type { GraphBuilder } from '../graph.ts';
import type { Emit, EmitBackward } from './emitter.ts';
import { inFloat32, normalise, normaliseBackward } from './normalise.ts';

export const paper = 'section 3.3';

type Lrn = LayerOf<'lrn'>;

export const emit: Emit<'lrn'> = (g, layer, [x]) => {
  const native = g.settings.lrn === 'native' && layer.attributes.size % 2 === 1;
  const { name, attributes } = layer;
  return inFloat32(g, x, name, (wide, output) => {
    if (native) return emitNative(g, layer, wide, output);
    const mean = (squares: string) => averaged(g, squares, name, attributes, false);
    return normalise(g, layer, [wide, output, paper], alphaOf(attributes), mean);
  });
};

/** α as ONNX means it: divided by the window's size afterwards. */
const alphaOf = ({ alpha, divide, size }: Lrn['attributes']): number => (divide ? alpha : alpha * size);

function emitNative(g: GraphBuilder, { name, attributes }: Lrn, x: string, output: string): string {
  const { size, beta, k, groups } = attributes;
  const lrn = { size, alpha: alphaOf(attributes), beta, bias: k };
  if (groups === 1) return g.node('LRN', [x], output, lrn, paper);
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const apart = g.reshape(x, [-1, C / groups, H, W], `${name}/towers`, `${name}/apart`);
  const normal = g.node('LRN', [apart], `${name}/normal`, lrn, paper);
  return g.node('Reshape', [normal, g.integers(`${name}/together`, [-1, C, H, W])], output, {}, paper);
}

/**
 * The mean over `size` channels of a group, zeros outside counted; `mirrored`: over the channels whose windows contain
 * this one. Helper values are called `<prefix>/…`.
 */
function averaged(
  g: GraphBuilder,
  x: string,
  prefix: string,
  { size, groups, even }: Lrn['attributes'],
  mirrored: boolean,
): string {
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const down = (even === 'above') !== mirrored ? Math.floor((size - 1) / 2) : Math.floor(size / 2);
  const rows = g.reshape(x, [-1, 1, C / groups, H * W], `${prefix}/maps`, `${prefix}/rows`);
  const window = { kernel_shape: [size, 1], strides: [1, 1], pads: [down, 0, size - 1 - down, 0] };
  const mean = g.node('AveragePool', [rows], `${prefix}/means`, { ...window, count_include_pad: 1 });
  return g.reshape(mean, [-1, C, H, W], `${prefix}/mean`, `${prefix}/together`);
}

/** For the decomposed form, whose values it uses. */
export const backward: EmitBackward<'lrn'> = (g, layer, reverse) => {
  const { attributes } = layer;
  const mean = (v: string) => averaged(g, v, reverse.dx[0], attributes, true);
  normaliseBackward(g, layer, reverse, alphaOf(attributes), mean);
};
