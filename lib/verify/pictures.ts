/**
 * What a file that takes pictures computes before its network's first layer and behind the last (export/pixels.ts):
 * rows like the layers', each recomputed from the device's own value before it.
 */
import { AVERAGE, IMAGE, MEAN_IMAGE, valueAfter } from '../../export/pixels.ts';
import { type PixelStep, type Pixels, pixelStep, pixelSteps } from '../../reference/input/pixels.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { dense, type Storage, type Tensor, tensor } from '../../reference/tensor.ts';
import { arithmetic, type DeviceArithmetic } from '../bounds/arithmetic.ts';
import { type Bounds, copied, halfStep, loosened, rounded } from '../bounds/bounds.ts';
import type { Node } from '../onnx/model.ts';
import type { Executor } from '../runtime/failures.ts';
import type { Match } from './match.ts';
import { type Computation, tensorOf } from './subject.ts';

/** The network with a softmax in place of logits, which are not averaged. */
export function averaging(network: Network, { views = 1 }: Pixels): Network {
  const { layers } = network;
  if (views === 1 || layers.at(-1)?.kind === 'softmax') return network;
  return { ...network, layers: [...layers, { name: `${AVERAGE}/softmax`, kind: 'softmax' }] };
}

/** The values before the first layer, pictures (N,S,S,3) the first, 'input' the last. */
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
    x = pixelStep(step, x, Type);
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

interface Around {
  readonly network: Network;
  readonly match: Match;
  /** A float16 file. */
  readonly half: boolean;
}

/** The steps, and the average of ten views. */
export function computationsAround(pixels: Pixels, { network, match, half }: Around, device: Executor) {
  const { views = 1 } = pixels;
  const { faults } = match;
  const steps = pixelSteps(pixels);
  const about = arithmetic[device];
  const before = steps.map((step, i): Computation => {
    const read = i === 0 ? IMAGE : valueAfter(steps, i - 1);
    const name = valueAfter(steps, i);
    return {
      reads: [read],
      makes: [{ name, kind: step.kind }],
      fault: faults.get(name),
      judge(values) {
        const exact = pixelStep(step, tensorOf(values(read)), Float64Array);
        return [{ exact, bounds: boundsOfStep(step, exact, about) }];
      },
    };
  });
  if (views === 1) return { before, behind: [] };
  const last = network.layers[network.layers.length - 1].name;
  const average: Computation = {
    reads: [last],
    makes: [{ name: AVERAGE, kind: 'average' }],
    fault: faults.get(AVERAGE),
    judge(values) {
      const exact = averageOf(tensorOf(values(last)), views);
      const bounds = rounded(exact, views - 1 + about.divide, about); // no term is negative
      // an engine may average what it did not store as float16
      const stored = (i: number): number => halfStep(dense(exact)[i]);
      return [{ exact, bounds: half ? loosened(bounds, stored) : bounds }];
    },
  };
  return { before, behind: [average] };
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
    if (name === `${IMAGE}/float32`) return rows[0];
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
  data: Uint8Array.from(dense(pictures) as Storage),
});
