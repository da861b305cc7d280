/**
 * What a file that takes pictures computes before its network's first layer and behind the last (export/pixels.ts):
 * rows like the layers', each recomputed from the device's own value before it.
 */
import { AVERAGE, IMAGE, MEAN_IMAGE, valueAfter } from '../../export/pixels.ts';
import {
  type PixelStep,
  type Pixels,
  pictureSide,
  pixelStep,
  pixelSteps,
} from '../../reference/input/pixels.ts';
import type { Extent } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { shapes } from '../../reference/oracle.ts';
import { dense, map, type Shape, type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { arithmetic, type DeviceArithmetic } from '../bounds/arithmetic.ts';
import { type Bounds, copied, halfStep, type Judged, loosened, rounded } from '../bounds/bounds.ts';
import { type Doubt, inDoubt, MOVED } from '../bounds/carried.ts';
import { averaged } from '../bounds/resampling.ts';
import type { Node } from '../onnx/model.ts';
import type { Executor } from '../runtime/failures.ts';
import type { Match } from './match.ts';
import { type Computation, tensorOf, type Values } from './subject.ts';

/** The network with a softmax in place of logits, which are not averaged. */
export function averaging(network: Network, { views = 1 }: Pixels): Network {
  const { layers } = network;
  if (views === 1 || layers.at(-1)?.kind === 'softmax') return network;
  return { ...network, layers: [...layers, { name: `${AVERAGE}/softmax`, kind: 'softmax' }] };
}

/** Of pictures (N,H,W,3). */
export const extentOf = ({ shape: [, height, width] }: { readonly shape: Shape }): Extent => ({
  height,
  width,
});

/** The values before the first layer, pictures (N,H,W,3) the first, 'input' the last. */
export function preprocessed(
  pixels: Pixels,
  pictures: Tensor,
  precision: 'float32' | 'float64' = 'float32',
): ReadonlyMap<string, Tensor> {
  const Type = precision === 'float64' ? Float64Array : Float32Array;
  const values = new Map([[IMAGE, pictures]]);
  const steps = pixelSteps(pixels);
  let x = pictures;
  for (const [i, step] of steps.entries()) {
    x = pixelStep(step, x, extentOf(pictures), Type);
    values.set(valueAfter(steps, i), x);
  }
  return values;
}

/** Mean over the views of each picture: (10·N,K) to (N,K). */
export function averageOf(y: Tensor, views: number): Tensor {
  const [rows, K] = y.shape;
  const p = dense(y);
  const mean = new Float64Array((rows / views) * K);
  for (let i = 0; i < p.length; i++) mean[Math.floor(i / (views * K)) * K + (i % K)] += p[i] / views;
  return tensor(mean, [rows / views, K]);
}

/** Shapes of all values of N pictures, those around the network's own among them, in their order. */
export function shapesAround(
  network: Network,
  pixels: Pixels | undefined,
  N = 1,
  picture?: Extent,
): ReadonlyMap<string, Shape> {
  if (!pixels) return shapes(network, N);
  const { views = 1 } = pixels;
  const side = pictureSide(pixels);
  const extent = picture ?? { width: side, height: side };
  const layers = shapes(network, N * views);
  const steps = pixelSteps(pixels);
  let shape: Shape = [N, extent.height, extent.width, 3];
  const fed: [string, Shape][] = [[IMAGE, shape]];
  for (const [i, step] of steps.entries()) {
    shape = shapeBehind(step, shape, extent);
    fed.push([valueAfter(steps, i), shape]);
  }
  const classes = layers.get(network.layers[network.layers.length - 1].name)!.slice(1);
  return new Map<string, Shape>([
    ...fed,
    ...layers,
    ...(views === 1 ? [] : [[AVERAGE, [N, ...classes]] as const]),
  ]);
}

function shapeBehind(step: PixelStep, shape: Shape, picture: Extent): Shape {
  const [N, H, W] = shape;
  if (step.kind === 'columns') return [N, H, step.length(picture), 3];
  if (step.kind === 'rows') return [N, step.length(picture), W, 3];
  if (step.kind === 'planes') return [N, 3, H, W];
  if (step.kind !== 'crop' && step.kind !== 'views') return shape;
  const { width, height } = step.kind === 'crop' ? step.window(picture) : step.windows[0];
  return step.kind === 'crop' ? [N, height, width, 3] : [2 * step.windows.length * N, 3, height, width];
}

/** What a value is computed from: values that are there, and those between, which nobody has. */
export type Path = Pick<Computation, 'reads' | 'through'>;

/** The steps, each from the last value before it that is there. */
export function stepsOf(pixels: Pixels, pictures: Tensor, has: (name: string) => boolean, device: Executor) {
  const extent = extentOf(pictures);
  const steps = pixelSteps(pixels);
  const names = [IMAGE, ...steps.map((_, i) => valueAfter(steps, i))];
  /** Of names[to], which need not be there itself. */
  function arrive(to: number): Path & { judged(values: Values): Judged } {
    const from = names.slice(0, to).findLastIndex((name) => name === IMAGE || has(name));
    const through = names.slice(from + 1, to);
    return {
      reads: [names[from]],
      ...(through.length > 0 && { through }),
      judged: (values) =>
        walked(steps.slice(from, to), tensorOf(values(names[from])), extent, arithmetic[device]),
    };
  }
  const last = names.length - 1;
  const { reads, through = [], judged } = arrive(last);
  return {
    computations: (faults: Match['faults']): Computation[] =>
      steps.map(({ kind }, i) => {
        const { judged, ...path } = arrive(i + 1);
        const name = names[i + 1];
        return {
          ...path,
          makes: [{ name, kind }],
          fault: faults.get(name),
          judge: (values) => [judged(values)],
        };
      }),
    /** What is known of the network's input where it is not there. */
    ...(!has('input') && { input: { reads, through: [...through, 'input'], judged } }),
  };
}

/** Steps one after the other: what each may be off by comes to the bounds of the next. */
function walked(steps: readonly PixelStep[], x: Tensor, extent: Extent, device: DeviceArithmetic): Judged {
  let exact = x;
  let off = map(x, () => 0);
  for (const step of steps) {
    if (step.kind === 'columns' || step.kind === 'rows') {
      const axis = step.kind === 'rows' ? 1 : 2;
      const { exact: levels, bounds } = averaged(exact, off, axis, step.length(extent), device);
      exact = levels;
      off = tensor(bounds.bound, levels.shape);
      continue;
    }
    exact = pixelStep(step, exact, extent, Float64Array);
    const own = boundsOfStep(step, exact, device).bound;
    const carried = dense(step.kind === 'mean' ? off : pixelStep(step, off, extent, Float64Array));
    off = tensor(
      own.map((bound, i) => bound + (1 + MOVED) * carried[i]),
      exact.shape,
    );
  }
  return { exact, bounds: { bound: dense(off) as Float64Array } };
}

/** The average of ten views. `reach`: the last layer's value, or what takes its place. */
export function averageBehind(
  { views = 1 }: Pixels,
  { half, path, fault }: { readonly half: boolean; readonly path: Path; readonly fault?: string },
  reach: (values: Values) => { readonly exact: Tensor; readonly doubt?: Doubt },
  device: Executor,
): Computation[] {
  if (views === 1) return [];
  const about = arithmetic[device];
  const average: Computation = {
    ...path,
    makes: [{ name: AVERAGE, kind: 'average' }],
    fault,
    judge(values) {
      const { exact: y, doubt } = reach(values);
      const exact = averageOf(y, views);
      const float = rounded(exact, views - 1 + about.divide, about); // no term is negative
      // an engine may average what it did not store as float16
      const stored = (i: number): number => halfStep(dense(exact)[i]);
      const bounds = half ? loosened(float, stored) : float;
      if (!doubt) return [{ exact, bounds }];
      const mean = (of: Tensor) => dense(averageOf(of, views));
      const carried = { bound: mean(doubt.bound), deviation: mean(doubt.deviation) };
      return [inDoubt({ exact, bounds }, bounds.bound, carried)];
    },
  };
  return [average];
}

function boundsOfStep({ kind }: PixelStep, exact: Tensor, device: DeviceArithmetic): Bounds {
  if (kind === 'mean') return rounded(exact, 1, device);
  if (kind === 'range' || kind === 'deviation') return rounded(exact, device.divide, device);
  return copied(exact, device);
}

/** The match of the layers with what is around them. `nodes` also tells whose a mean image is. */
export function matchedAround(layers: Match, pixels: Pixels, nodes: readonly Node[]): Match {
  const steps = pixelSteps(pixels);
  const rows = [...steps.map((_, i) => valueAfter(steps, i)), ...(pixels.views === 10 ? [AVERAGE] : [])];
  const rowOf = (name: string): string | undefined => {
    if (name === `${IMAGE}/float32`) return rows[steps.findIndex(({ kind }) => kind === 'planes')];
    const at = steps.findIndex(({ kind }) => name.startsWith(`${IMAGE}/${kind}`));
    return rows.find((row) => row === name) ?? rows[at] ?? (name.startsWith(AVERAGE) ? AVERAGE : undefined);
  };
  const made = nodes.flatMap(({ name, outputs }) => [name, ...outputs]);
  const own = [...made, MEAN_IMAGE].flatMap((name) => {
    const row = rowOf(name);
    return row === undefined ? [] : [[name, row] as const];
  });
  const missing = rows.filter((row) => !made.includes(row));
  return {
    ...layers,
    values: new Map([
      ...rows.filter((row) => made.includes(row)).map((row) => [row, row] as const),
      ...layers.values,
    ]),
    nodes: new Map([...own, ...layers.nodes]),
    faults: new Map([...missing.map((row) => [row, 'the file has no such step'] as const), ...layers.faults]),
    tail: pixels.views === 10 ? [] : layers.tail,
  };
}

/** What is fed: bytes. */
export const asBytes = (pictures: Tensor) => ({
  dtype: 'uint8' as const,
  shape: pictures.shape,
  data: new Uint8Array(dense(pictures) as Storage),
});
