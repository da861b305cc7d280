/**
 * What `preprocess` does to pictures, as a list of steps on tensors: for whoever does them one after the other, as an
 * ONNX graph does. The bits are those of preprocess.ts, but for columns and rows.
 *
 *   columns    8-bit RGB (N,H,W,3) → (N,H,w,3), only of pictures of any size (`resize`); w: see `resizedSize`
 *   rows       (N,H,w,3) → (N,h,w,3)
 *   crop       its centre (N,S,S,3)
 *   planes     8-bit RGB (N,S,S,3) → (N,3,S,S)
 *   views      ten crops of each picture, behind each other: (10·N,3,C,C)
 *   channels   R,G,B → B,G,R
 *   range      x / 255
 *   mean       x − mean, a colour (3,1,1) or an image (3,C,C)
 *   deviation  x / deviation (3,1,1)
 *
 * Columns and rows are weighted averages in real numbers, rounded to the nearest grey level: ONNX's Resize since opset
 * 18 with antialias and exclude_outside (onnx/docs/Operators.md), and resize.ts but for its fixed point, which decides
 * where an average lies next to half a level.
 */
import { dense, type Shape, type Storage, sizeOf, type Tensor, tensor } from '../tensor.ts';
import {
  centreSquare,
  centreWindow,
  cropViews,
  type Extent,
  type Image,
  meanPlanes,
  type Preprocess,
  resizedSize,
  viewWindows,
} from './preprocess.ts';
import { type Rectangle, triangle } from './resize.ts';

/** A step that changes nothing is left out; planes is always there. */
export type PixelStep =
  /** `length`: of the picture that is fed, how many there will be. */
  | { readonly kind: 'columns' | 'rows'; readonly length: (picture: Extent) => number }
  | { readonly kind: 'crop'; readonly window: (picture: Extent) => Rectangle }
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
  /** Pictures are of any size, and resized and cropped in these steps too. */
  readonly resize?: boolean;
}

/** S: side of the picture, or of what is left when it is resized. Throws where the preprocessing makes no square. */
export function pictureSide({ preprocess: { resize, crop }, views = 1 }: Pixels): number {
  const side = views === 10 ? resize.size : crop.size || resize.size;
  if (views === 10 && crop.size === 0) throw new RangeError('preprocess: ten views need a crop (= 0)');
  if (views === 1 && crop.size === 0 && resize.mode === 'shorter')
    throw new RangeError("preprocess: without a crop, 'shorter' leaves pictures of any shape");
  return side;
}

/** What is made of a picture before these steps: resized, and of that the crop or, for ten views, the square. */
export function pictureFor(image: Image, { preprocess, views, resize }: Pixels): Image {
  if (resize) return image;
  return views === 10 ? centreSquare(image, preprocess) : cropViews(image, preprocess)[0];
}

/** From a picture of any size to the square of that side. */
function resizeSteps(spec: Preprocess, side: number): readonly PixelStep[] {
  const { mode, size } = spec.resize;
  if (mode === 'none') throw new RangeError('preprocess: these pictures are not resized');
  const crop = { size: side, offset: spec.crop.offset };
  centreWindow(size, size, crop);
  const steps: PixelStep[] = [
    { kind: 'columns', length: (picture) => resizedSize(picture, spec)[0] },
    { kind: 'rows', length: (picture) => resizedSize(picture, spec)[1] },
  ];
  if (mode === 'warp' && side === size) return steps;
  return [...steps, { kind: 'crop', window: (picture) => centreWindow(...resizedSize(picture, spec), crop) }];
}

/** The steps in their order. Throws as `preprocess` does where crop or mean image do not fit. */
export function pixelSteps(pixels: Pixels): readonly PixelStep[] {
  const { preprocess: spec, views = 1, meanImage, resize } = pixels;
  const side = pictureSide(pixels);
  const size = views === 10 ? spec.crop.size : side;
  const steps: PixelStep[] = [...(resize ? resizeSteps(spec, side) : []), { kind: 'planes' }];
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

/** Float32Array or Float64Array. */
export type StorageClass = new (n: number) => Storage;

/**
 * One step; what it computes is rounded as `Type` stores it, columns and rows to whole numbers. `picture`: what the
 * first step is given.
 */
export function pixelStep(
  step: PixelStep,
  x: Tensor,
  picture: Extent,
  Type: StorageClass = Float32Array,
): Tensor {
  switch (step.kind) {
    case 'columns':
      return averages(x, 2, step.length(picture), Type);
    case 'rows':
      return averages(x, 1, step.length(picture), Type);
    case 'crop':
      return cropped(x, step.window(picture), Type);
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

/** What is averaged along axis 1 or 2 of (N,H,W,3): of element `to` of the result pixel t is at from + t·stride. */
export function eachAverage(
  shape: Shape,
  axis: 1 | 2,
  length: number,
  visit: (taps: ReturnType<typeof triangle>, from: number, stride: number, to: number) => void,
): void {
  const [N, H, W] = shape;
  const input = shape[axis];
  const stride = axis === 1 ? 3 * W : 3;
  const outer = axis === 1 ? N : N * H;
  for (let position = 0; position < length; position++) {
    const taps = triangle(input, length, position);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < stride; i++)
        visit(taps, o * input * stride + i, stride, (o * length + position) * stride + i);
  }
}

/** One that has this length is left as it is. */
function averages(x: Tensor, axis: 1 | 2, length: number, Type: StorageClass): Tensor {
  if (length === x.shape[axis]) return x;
  const from = dense(x);
  const shape = x.shape.map((extent, at) => (at === axis ? length : extent));
  const y = new Type(sizeOf(shape));
  eachAverage(x.shape, axis, length, ({ first, weights }, at, stride, to) => {
    let sum = 0;
    for (let t = 0; t < weights.length; t++) sum += weights[t] * from[at + (first + t) * stride];
    y[to] = Math.floor(sum + 0.5);
  });
  return tensor(y, shape);
}

function cropped(x: Tensor, { x: left, y: top, width, height }: Rectangle, Type: StorageClass): Tensor {
  const [N, H, W] = x.shape;
  const from = dense(x);
  const y = new Type(3 * N * height * width);
  for (let n = 0, to = 0; n < N; n++)
    for (let row = 0; row < height; row++, to += 3 * width) {
      const at = 3 * ((n * H + top + row) * W + left);
      y.set(from.subarray(at, at + 3 * width), to);
    }
  return tensor(y, [N, height, width, 3]);
}

function planes(x: Tensor, Type: StorageClass): Tensor {
  const [N, H, W] = x.shape;
  const from = dense(x);
  const y = new Type(from.length);
  for (let n = 0, to = 0; n < N; n++)
    for (let c = 0; c < 3; c++) for (let p = 0; p < H * W; p++) y[to++] = from[3 * (n * H * W + p) + c];
  return tensor(y, [N, 3, H, W]);
}

function views(x: Tensor, windows: readonly Rectangle[], Type: StorageClass): Tensor {
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

function channels(x: Tensor, Type: StorageClass): Tensor {
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
  Type: StorageClass,
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
