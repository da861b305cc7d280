/**
 * Augmentation inside the training graph: the arithmetic of reference/input/augment.ts, operation for operation,
 * so that the bits are the oracle's wherever division is rounded correctly. What is random is an input, drawn by
 * the oracle's `draw`.
 *
 * Inputs   images uint8 (N,3,S,S), RGB; offsets int32 (N,2): y, x; mirrored uint8 (N);
 *          light float32 (N,3), RGB in units of 0..255, unless there is no lighting.
 *
 * Operators: one Gather from the flat images with int32 indices built by broadcasting, which WebGPU has for uint8 too.
 * Offsets outside 0 … S − crop read other pixels or fail: the oracle's draws are inside.
 */
import type { Augmentation, AugmentOptions } from '../reference/input/augment.ts';
import { centreOffset, type Preprocess } from '../reference/input/preprocess.ts';
import { dense, type Tensor, tensor } from '../reference/tensor.ts';
import type { GraphBuilder } from './graph.ts';

export interface Augment extends AugmentOptions {
  /** S: side of the stored images. */
  readonly side: number;
  readonly how: Augmentation;
}

/** cuda-convnet divides the lighted picture by 1 + 0.1. */
const AS_RUN_SHRINK = 1.1;

/** Adds the value 'input' (N,3,crop,crop). Throws where sides or constants do not fit. */
export function emitAugment(g: GraphBuilder, augment: Augment, batch: number, spec: Preprocess): string {
  const { side, how } = augment;
  if (how.crop > side) throw new RangeError(`augment: a crop of ${how.crop} does not fit into ${side}`);
  if (batch * 3 * side * side >= 2 ** 31)
    throw new RangeError(`augment: ${batch} images of ${side}×${side} exceed 2³¹ bytes; use a smaller batch`);
  const place = emitPlaces(g, batch, augment);
  const images = g.input('images', [batch, 3, side, side], 'uint8');
  const area = side * side;
  const colours = g.counters('augment/colours', inOrder(spec, [0, area, 2 * area]), [1, 3, 1, 1]);
  const each = counter(g, 'augment/each', batch, 3 * area, 0);
  const index = g.node('Add', [g.node('Add', [place, colours], 'augment/within'), each], 'augment/index');
  const flat = g.reshape(images, [-1], 'augment/bytes', 'augment/flat');
  const cropped = g.node('Gather', [flat, index], 'augment/cropped', { axis: 0 });
  const steps: [string, string][] = [];
  if (spec.range === 1) steps.push(['Div', g.scalar('augment/range', 255)]);
  const mean = meanOf(g, augment, spec, place);
  if (mean) steps.push(['Sub', mean]);
  if (how.lighting !== 'none') steps.push(['Add', lightOf(g, batch, spec)]);
  if (spec.deviation.some((d) => d !== 1)) {
    steps.push(['Div', g.initializer('augment/deviation', perChannel(spec.deviation))]);
  }
  if (how.lighting === 'as-run') steps.push(['Div', g.scalar('augment/shrink', AS_RUN_SHRINK)]);
  let x = g.cast(cropped, steps.length === 0 ? 'input' : 'augment/pixels', 'float32');
  for (const [i, [operator, value]] of steps.entries()) {
    const output = i === steps.length - 1 ? 'input' : `augment/step${i}`;
    x = g.node(operator, [x, value], output, {}, 'section 4.1');
  }
  return x;
}

const perChannel = (values: readonly number[]): Tensor => tensor(Float64Array.from(values), [3, 1, 1]);

/** Numbers for R, G, B in the order of the network's channels. */
const inOrder = ({ channels }: Preprocess, rgb: readonly number[]): readonly number[] =>
  channels === 'RGB' ? rgb : rgb.toReversed();

/** 0, step, 2·step … as int32 along one of the axes (N,C,H,W). */
function counter(g: GraphBuilder, name: string, count: number, step: number, axis: number): string {
  const dims = [1, 1, 1, 1].map((one, i) => (i === axis ? count : one));
  const values = Array.from({ length: count }, (_, i) => i * step);
  return g.counters(name, values, dims);
}

/** y·S + x + row·S + column′ as (N,1,crop,crop); column′ counts from the right where mirrored. */
function emitPlaces(g: GraphBuilder, batch: number, { side, how }: Augment): string {
  const offsets = g.input('offsets', [batch, 2], 'int32');
  const shape = g.integers('augment/shape', [batch, 1, 1, 1]);
  // one product and sum: onnxruntime would fuse two Slices into a Split of int32, which WebGPU does not have
  const weights = g.counters('augment/strides', [side, 1], [2]);
  const parts = g.node('Mul', [offsets, weights], 'augment/parts');
  const sum = g.sum(parts, [1], 'augment/sum', 'augment/axes');
  const origin = g.node('Reshape', [sum, shape], 'augment/origin');
  const rows = g.node('Add', [origin, counter(g, 'augment/row', how.crop, side, 2)], 'augment/rows');
  const mirrored = g.cast(g.input('mirrored', [batch], 'uint8'), 'augment/mirrored', 'int32');
  const mirror = g.node('Reshape', [mirrored, shape], 'augment/mirror');
  const turns = Array.from({ length: how.crop }, (_, column) => how.crop - 1 - 2 * column);
  const turn = g.counters('augment/turn', turns, [1, 1, 1, how.crop]);
  const turned = g.node('Mul', [mirror, turn], 'augment/turned');
  const columns = g.node('Add', [counter(g, 'augment/column', how.crop, 1, 3), turned], 'augment/columns');
  return g.node('Add', [rows, columns], 'augment/place');
}

/** The mean pixel, the mean image's centre, or the mean image where each pixel came from; '' for zero. */
function meanOf(
  g: GraphBuilder,
  { side, how, meanImage, meanAt }: Augment,
  spec: Preprocess,
  place: string,
): string {
  if (!meanImage) {
    return spec.mean.some((m) => m !== 0) ? g.initializer('augment/mean', perChannel(spec.mean)) : '';
  }
  if (meanImage.shape.join() !== `3,${side},${side}`)
    throw new RangeError(`augment: the mean image must be [3,${side},${side}] (= [${meanImage.shape}])`);
  if (meanAt !== 'crop') return g.initializer('augment/mean', centreOf(meanImage, side, how.crop));
  const flat = g.initializer('augment/meanImage', tensor(dense(meanImage), [3 * side * side]));
  const index = g.node('Add', [place, counter(g, 'augment/maps', 3, side * side, 1)], 'augment/meanIndex');
  return g.node('Gather', [flat, index], 'augment/mean', { axis: 0 });
}

function centreOf(image: Tensor, side: number, crop: number): Tensor {
  const from = centreOffset(side, crop, 'floor');
  const data = dense(image);
  const centre = new Float64Array(3 * crop * crop).map((_, i) => {
    const c = Math.floor(i / (crop * crop));
    const row = from + (Math.floor(i / crop) % crop);
    const column = from + (i % crop);
    return data[(c * side + row) * side + column];
  });
  return tensor(centre, [3, crop, crop]);
}

/** (N,3,1,1) in the order and units of the network's channels. */
function lightOf(g: GraphBuilder, batch: number, spec: Preprocess): string {
  let light = g.input('light', [batch, 3]);
  if (spec.channels === 'BGR') {
    const bgr = g.counters('augment/bgr', [2, 1, 0], [3]);
    light = g.node('Gather', [light, bgr], 'augment/light', { axis: 1 });
  }
  const each = g.reshape(light, [batch, 3, 1, 1], 'augment/lights', 'augment/lightShape');
  return spec.range === 1 ? g.node('Div', [each, g.scalar('augment/unit', 255)], 'augment/lit') : each;
}
