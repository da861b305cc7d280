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
import { affine, backwardOf, divideByPower, inFloat32, powerName } from './normalise.ts';

export const paper = 'section 3.3';

type Lrn = LayerOf<'lrn'>;

export const emit: Emit<'lrn'> = (g, layer, [x]) => {
  const native = g.settings.lrn === 'native' && layer.attributes.size % 2 === 1;
  return inFloat32(g, x, layer.name, (wide, output) =>
    native ? emitNative(g, layer, wide, output) : emitDecomposed(g, layer, wide, output),
  );
};

/** α as ONNX means it: divided by the window's size afterwards. */
const alphaOf = ({ alpha, divide, size }: Lrn['attributes']): number => (divide ? alpha : alpha * size);

function emitNative(g: GraphBuilder, { name, attributes }: Lrn, x: string, output: string): string {
  const { size, beta, k, groups } = attributes;
  const lrn = { size, alpha: alphaOf(attributes), beta, bias: k };
  if (groups === 1) return g.node('LRN', [x], output, lrn, paper);
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const apart = g.node('Reshape', [x, g.integers(`${name}/apart`, [-1, C / groups, H, W])], `${name}/towers`);
  const normal = g.node('LRN', [apart], `${name}/normal`, lrn, paper);
  return g.node('Reshape', [normal, g.integers(`${name}/together`, [-1, C, H, W])], output, {}, paper);
}

function emitDecomposed(g: GraphBuilder, { name, attributes }: Lrn, x: string, output: string): string {
  const { beta, k } = attributes;
  const square = g.node('Mul', [x, x], `${name}/square`);
  const mean = averaged(g, square, name, attributes, false);
  const s = affine(g, name, mean, alphaOf(attributes), k);
  return divideByPower(g, [x, s], beta, [name, output], paper);
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
  const target = g.integers(`${prefix}/rows`, [-1, 1, C / groups, H * W]);
  const rows = g.node('Reshape', [x, target], `${prefix}/maps`);
  const window = { kernel_shape: [size, 1], strides: [1, 1], pads: [down, 0, size - 1 - down, 0] };
  const mean = g.node('AveragePool', [rows], `${prefix}/means`, { ...window, count_include_pad: 1 });
  return g.node('Reshape', [mean, g.integers(`${prefix}/together`, [-1, C, H, W])], `${prefix}/mean`);
}

/** For the decomposed form, whose values it uses. */
export const backward: EmitBackward<'lrn'> = (g, layer, { inputs: [x], dy, dx: [dx] }) => {
  if (dx === null) return;
  const { name, attributes } = layer;
  const factor = 2 * alphaOf(attributes) * attributes.beta;
  const values = [`${name}/s`, powerName(name, `${name}/s`, attributes.beta)] as const;
  backwardOf(g, [x, dy, dx], values, factor, (v) => averaged(g, v, dx, attributes, true));
};
