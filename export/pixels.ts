/**
 * Preprocessing inside the graph: the steps of reference/input/pixels.ts, one node or two each, in float32, so that
 * the bits are those of `preprocess` wherever division is rounded correctly. And behind the network the mean over ten
 * views.
 *
 * Input    image uint8 (N,S,S,3), RGB; S: the crop, for ten views the side that pictures are resized to.
 *          With `resize` (N,H,W,3), pictures of any size: see resize.ts.
 * Values   image/planes, image/views …, as the steps; the last one is 'input', which the first layer reads.
 *
 * The cast comes before all of these: WebGPU neither slices nor transposes uint8.
 */
import { type PixelStep, type Pixels, pictureSide, pixelSteps } from '../reference/input/pixels.ts';
import type { Network } from '../reference/networks/layers.ts';
import { type GraphBuilder, withBatch } from './graph.ts';
import { emitResized } from './resize.ts';

/** The input of graphs that preprocess, and the output of those that average. */
export const IMAGE = 'image';
export const AVERAGE = 'probabilities';
export const MEAN_IMAGE = `${IMAGE}/mean/by`;

const paper = 'section 2';

/** What a file that takes pictures says of itself, under the metadata key 'image'. */
export interface ImageInput {
  /** S. */
  readonly side: number;
  /** Whether pictures are of any size, and S what they are resized and cropped to. */
  readonly resize: boolean;
  readonly views: 1 | 10;
  /** Whether a mean image is subtracted: MEAN_IMAGE. */
  readonly meanImage: boolean;
  /** Of the preprocessing, what the graph does. */
  readonly steps: readonly PixelStep['kind'][];
}

export const imageOf = (pixels: Pixels): ImageInput => ({
  side: pictureSide(pixels),
  resize: pixels.resize ?? false,
  views: pixels.views ?? 1,
  meanImage: pixels.meanImage !== undefined,
  steps: pixelSteps(pixels).map(({ kind }) => kind),
});

/** Adds the input 'image' and the value 'input' (N,3,C,C), of ten views (10·N,3,C,C). Throws where nothing fits. */
export function emitPixels(g: GraphBuilder, pixels: Pixels): string {
  const side = pictureSide(pixels);
  const steps = pixelSteps(pixels);
  const [N] = withBatch([1], g.settings.batch);
  const [H, W] = pixels.resize ? ['H', 'W'] : [side, side];
  const image = g.input(IMAGE, [N, H, W, 3], 'uint8');
  const square = pixels.resize ? emitResized(g, image, pixels.preprocess, side) : image;
  let x = g.cast(square, `${IMAGE}/float32`, 'float32');
  for (const [i, step] of steps.entries()) if (!inBytes(step)) x = emitStep(g, step, x, valueAfter(steps, i));
  return x;
}

/** What the value behind a step is called. */
export const valueAfter = (steps: readonly PixelStep[], i: number): string =>
  i === steps.length - 1 ? 'input' : `${IMAGE}/${steps[i].kind}`;

type InBytes = PixelStep & { readonly kind: 'columns' | 'rows' | 'crop' };

const inBytes = (step: PixelStep): step is InBytes => ['columns', 'rows', 'crop'].includes(step.kind);

function emitStep(g: GraphBuilder, step: Exclude<PixelStep, InBytes>, x: string, output: string): string {
  const prefix = `${IMAGE}/${step.kind}`;
  switch (step.kind) {
    case 'planes':
      return g.transpose(x, [0, 3, 1, 2], output);
    case 'views':
      return emitViews(g, step, x, output);
    case 'channels':
      return g.node('Gather', [x, g.counters(`${prefix}/bgr`, [2, 1, 0], [3])], output, { axis: 1 }, paper);
    default: {
      const by = g.initializer(`${prefix}/by`, step.by, 'float32');
      return g.node(step.kind === 'mean' ? 'Sub' : 'Div', [x, by], output, {}, paper);
    }
  }
}

/** Behind each other along the channels, and then as pictures of their own. */
function emitViews(
  g: GraphBuilder,
  { windows }: PixelStep & { kind: 'views' },
  x: string,
  output: string,
): string {
  const prefix = `${IMAGE}/views`;
  const crops = windows.map(({ x: left, y: top, width, height }, i) => {
    const window = { starts: [top, left], ends: [top + height, left + width], axes: [2, 3] };
    return g.slice(x, window, `${prefix}/${i}`, `${prefix}/${i}`, 'section 4.1');
  });
  const five = g.node('Concat', crops, `${prefix}/five`, { axis: 1 });
  const backwards = { starts: [-1], ends: [-(2 ** 31)], axes: [3], steps: [-1] };
  const mirrored = g.slice(five, backwards, `${prefix}/mirrored`);
  const ten = g.node('Concat', [five, mirrored], `${prefix}/ten`, { axis: 1 });
  const { width, height } = windows[0];
  return g.reshape(ten, [-1, 3, height, width], output, `${prefix}/shape`);
}

/** Adds 'probabilities' (N,K): the mean over the views of what the last layer gives, of logits their softmax. */
export function emitAverage(g: GraphBuilder, { layers }: Network, views: number): string {
  const last = layers[layers.length - 1];
  const y =
    g.settings.precision === 'float32' ? last.name : g.cast(last.name, `${AVERAGE}/float32`, 'float32');
  const p =
    last.kind === 'softmax' ? y : g.node('Softmax', [y], `${AVERAGE}/softmax`, { axis: 1 }, 'section 4.1');
  const apart = g.reshape(p, [-1, views, g.dims(p)[1] as number], `${AVERAGE}/apart`, `${AVERAGE}/shape`);
  const sum = g.sum(apart, [1], `${AVERAGE}/sum`);
  const count = g.scalar(`${AVERAGE}/views`, views, 'float32');
  return g.node('Div', [sum, count], AVERAGE, {}, 'section 4.1');
}
