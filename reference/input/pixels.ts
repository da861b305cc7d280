/**
 * What `preprocess` does to the pixels of pictures that are resized already, as a list of steps on tensors: for
 * whoever does them one after the other, as an ONNX graph does. The bits are those of preprocess.ts.
 *
 *   planes     8-bit RGB (N,S,S,3) → (N,3,S,S)
 *   views      ten crops of each picture, behind each other: (10·N,3,C,C)
 *   channels   R,G,B → B,G,R
 *   range      x / 255
 *   mean       x − mean, a colour (3,1,1) or an image (3,C,C)
 *   deviation  x / deviation (3,1,1)
 */
import { dense, type Storage, type Tensor, tensor } from '../tensor.ts';
import {
  centreSquare,
  cropViews,
  type Image,
  meanPlanes,
  type Preprocess,
  viewWindows,
} from './preprocess.ts';
import type { Rectangle } from './resize.ts';

/** A step that changes nothing is left out; planes is always there. */
export type PixelStep =
  | { readonly kind: 'planes' | 'channels' }
  /** Five windows of side C; each is there a second time behind them, mirrored. */
  | { readonly kind: 'views'; readonly windows: readonly Rectangle[] }
  | { readonly kind: 'range' | 'mean' | 'deviation'; readonly by: Tensor };

export interface Pixels {
  readonly preprocess: Preprocess;
  /** 1 (default): the picture is the crop. 10: it is the resized square that the views are cut from. */
  readonly views?: 1 | 10;
  /** (3,H,W), see preprocess.ts. */
  readonly meanImage?: Tensor;
}

/** S: side of the picture. Throws where the preprocessing makes no square of it. */
export function pictureSide({ preprocess: { resize, crop }, views = 1 }: Pixels): number {
  const side = views === 10 ? resize.size : crop.size || resize.size;
  if (views === 10 && crop.size === 0) throw new RangeError('preprocess: ten views need a crop (= 0)');
  if (views === 1 && crop.size === 0 && resize.mode === 'shorter')
    throw new RangeError("preprocess: without a crop, 'shorter' leaves pictures of any shape");
  return side;
}

/** What is made of a picture before these steps: resized, and of that the crop or, for ten views, the square. */
export const pictureFor = (image: Image, { preprocess, views }: Pixels): Image =>
  views === 10 ? centreSquare(image, preprocess) : cropViews(image, preprocess)[0];

/** The steps in their order. Throws as `preprocess` does where crop or mean image do not fit. */
export function pixelSteps(pixels: Pixels): readonly PixelStep[] {
  const { preprocess: spec, views = 1, meanImage } = pixels;
  const side = pictureSide(pixels);
  const size = views === 10 ? spec.crop.size : side;
  const steps: PixelStep[] = [{ kind: 'planes' }];
  if (views === 10) steps.push({ kind: 'views', windows: viewWindows(side, side, spec.crop) });
  if (spec.channels === 'BGR') steps.push({ kind: 'channels' });
  if (spec.range === 1) steps.push({ kind: 'range', by: tensor(Float32Array.of(255), [1, 1, 1]) });
  const means = meanPlanes(spec, meanImage, size, size);
  const plane = meanImage ? [size, size] : [1, 1];
  if (meanImage || spec.mean.some((v) => v !== 0))
    steps.push({
      kind: 'mean',
      by: tensor(Float32Array.from(means.flatMap((of) => [...Array.from(of)])), [3, ...plane]),
    });
  if (spec.deviation.some((v) => v !== 1))
    steps.push({ kind: 'deviation', by: tensor(Float32Array.from(spec.deviation), [3, 1, 1]) });
  return steps;
}

/** One step; what it computes is rounded as `Type` stores it. */
export function pixelStep(
  step: PixelStep,
  x: Tensor,
  Type: new (n: number) => Storage = Float32Array,
): Tensor {
  switch (step.kind) {
    case 'planes':
      return planes(x, Type);
    case 'views':
      return views(x, step.windows, Type);
    case 'channels':
      return channels(x, Type);
    case 'mean':
      return elementwise(x, step.by, Type, (v, m) => v - m);
    default:
      return elementwise(x, step.by, Type, (v, d) => v / d);
  }
}

function planes(x: Tensor, Type: new (n: number) => Storage): Tensor {
  const [N, H, W] = x.shape;
  const from = dense(x);
  const y = new Type(from.length);
  for (let n = 0, to = 0; n < N; n++)
    for (let c = 0; c < 3; c++) for (let p = 0; p < H * W; p++) y[to++] = from[3 * (n * H * W + p) + c];
  return tensor(y, [N, 3, H, W]);
}

function views(x: Tensor, windows: readonly Rectangle[], Type: new (n: number) => Storage): Tensor {
  const [N, , H, W] = x.shape;
  const from = dense(x);
  const { width, height } = windows[0];
  const count = 2 * windows.length;
  const y = new Type(N * count * 3 * height * width);
  let to = 0;
  for (let n = 0; n < N; n++) {
    for (let v = 0; v < count; v++) {
      const { x: left, y: top } = windows[v % windows.length];
      for (let c = 0; c < 3; c++) {
        for (let row = 0; row < height; row++) {
          const line = ((3 * n + c) * H + top + row) * W + left;
          for (let column = 0; column < width; column++)
            y[to++] = from[line + (v < windows.length ? column : width - 1 - column)];
        }
      }
    }
  }
  return tensor(y, [count * N, 3, height, width]);
}

function channels(x: Tensor, Type: new (n: number) => Storage): Tensor {
  const [N, , H, W] = x.shape;
  const from = dense(x);
  const y = new Type(from.length);
  const area = H * W;
  for (let n = 0; n < N; n++)
    for (let c = 0; c < 3; c++)
      y.set(from.subarray((3 * n + 2 - c) * area, (3 * n + 3 - c) * area), (3 * n + c) * area);
  return tensor(y, x.shape);
}

function elementwise(
  x: Tensor,
  by: Tensor,
  Type: new (n: number) => Storage,
  f: (v: number, constant: number) => number,
): Tensor {
  const [N, C, H, W] = x.shape;
  const from = dense(x);
  const constants = dense(by);
  const area = H * W;
  const y = new Type(from.length);
  for (let n = 0, i = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let p = 0; p < area; p++, i++) {
        const at = constants.length === 1 ? 0 : constants.length === C ? c : c * area + p;
        y[i] = f(from[i], constants[at]);
      }
  return tensor(y, x.shape);
}
