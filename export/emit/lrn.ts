/**
 * Local response normalisation across channels.
 *
 * ONNX         native: LRN, versions 1, 13. It divides α by the window's size, so α·size is written where the network
 *              does not. Groups become images: Reshape to (N·G, C/G, H, W) and back.
 *              decomposed: squares as one map of C/G rows and H·W columns an image and group, AveragePool over `size`
 *              rows with zeros counted, then s = k + α′·size·mean and x / s^β.
 *              band: α′·Σ is a 1×1 Conv of the squares with a C×C matrix, α′ in its band and 0 elsewhere. No value
 *              moves, where pooling over channels costs WebGPU four transposes; but 0·∞ is NaN: a square that
 *              overflows (|x| > 1.8e19) makes every channel of its pixel NaN, not those whose windows hold it.
 *              Even windows are never native: onnxruntime refuses them, and ONNX has only the kind 'above'.
 * Spec         spec/export/emit.spec.ts, spec/suite/band.spec.ts
 * Not emitted  float16: it is computed in float32 between two Casts.
 */
import type { LayerOf } from '../../reference/networks/layers.ts';
import { tensor } from '../../reference/tensor.ts';
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
    const window = { attributes, factor: alphaOf(attributes), constant: `${name}/alpha`, mirrored: false };
    return normalise(g, layer, [wide, output, paper], (squares, to) => summed(g, squares, name, window, to));
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

/** factor·mean over `size` channels of a group, zeros outside counted. */
interface Window {
  readonly attributes: Lrn['attributes'];
  readonly factor: number;
  /** What the factor is called where it is a constant of its own. */
  readonly constant: string;
  /** Over the channels whose windows contain this one. */
  readonly mirrored: boolean;
}

/** Channels of the window before its own. */
const below = ({ attributes: { size, even }, mirrored }: Window): number =>
  Math.floor((size - ((even === 'above') !== mirrored ? 1 : 0)) / 2);

/** Helper values are called `<prefix>/…`. */
function summed(g: GraphBuilder, x: string, prefix: string, window: Window, output: string): string {
  if (g.settings.lrn === 'band') return banded(g, x, prefix, window, output);
  return g.scaled(averaged(g, x, prefix, window), window.factor, window.constant, output);
}

function averaged(g: GraphBuilder, x: string, prefix: string, window: Window): string {
  const { size, groups } = window.attributes;
  const [C, H, W] = g.dims(x).slice(1) as number[];
  const down = below(window);
  const rows = g.reshape(x, [-1, 1, C / groups, H * W], `${prefix}/maps`, `${prefix}/rows`);
  const pooling = { kernel_shape: [size, 1], strides: [1, 1], pads: [down, 0, size - 1 - down, 0] };
  const mean = g.node('AveragePool', [rows], `${prefix}/means`, { ...pooling, count_include_pad: 1 });
  return g.reshape(mean, [-1, C, H, W], `${prefix}/mean`, `${prefix}/together`);
}

/** The factor stands in the matrix: onnxruntime would fuse a Mul into the convolution anyhow. */
function banded(g: GraphBuilder, x: string, prefix: string, window: Window, output: string): string {
  const { size, groups } = window.attributes;
  const C = g.dims(x)[1] as number;
  const perGroup = C / groups;
  const band = new Float64Array(C * C);
  for (let c = 0; c < C; c++) {
    const first = c - (c % perGroup);
    const start = c - below(window);
    const from = Math.max(first, start);
    band.fill(window.factor / size, c * C + from, c * C + Math.min(first + perGroup, start + size));
  }
  const matrix = g.initializer(`${prefix}/band`, tensor(band, [C, C, 1, 1]), 'float32');
  const pointwise = {
    kernel_shape: [1, 1],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
    group: 1,
  };
  return g.node('Conv', [x, matrix], output, pointwise);
}

/** For the forms that are not native, whose values it uses. */
export const backward: EmitBackward<'lrn'> = (g, layer, reverse) => {
  const { attributes } = layer;
  const [dx] = reverse.dx;
  const factor = 2 * alphaOf(attributes) * attributes.beta;
  const window = { attributes, factor, constant: `${dx}/factor`, mirrored: true };
  normaliseBackward(g, layer, reverse, (v, to) => summed(g, v, dx, window, to));
};
