/** How the gradient of one value came to be: the values that read it, each with its gradient and its weight. */

import type { Running } from '../../lib/picture/running.ts';
import type { Layer, LayerOf } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { dense, type Shape, type Tensor } from '../../reference/tensor.ts';
import { isSum } from './products.ts';

/** A reader of the value: dy is its gradient, and factor how it changes with the value. */
export interface Reader {
  readonly index: number;
  readonly dy: number;
  readonly factor: number;
}

export interface Gradient {
  readonly layer: string;
  readonly index: number;
  /** As it is stored: float32. */
  readonly stored: number;
  /** Who reads the value; absent for the logits, whose gradient is p − 1 for the class and p for the others. */
  readonly by?: string;
  /** In the order in which the oracle adds them; [] where the rule is no such sum. */
  readonly readers: readonly Reader[];
  /** In one sentence. */
  readonly rule: string;
}

/** The story of the gradient of value `index` of a layer. `found` are all gradients. */
export function gradientStory(
  { network, weights, values }: Running,
  found: ReadonlyMap<string, Tensor>,
  name: string,
  index: number,
): Gradient {
  const stored = dense(found.get(name)!)[index];
  const reading = network.layers.findIndex((_, at) => inputsOf(network, at).includes(name));
  const layer = network.layers[reading];
  const dy = layer && found.get(layer.name);
  if (!dy)
    return {
      layer: name,
      index,
      stored,
      readers: [],
      rule: 'p − 1 for the class that is asked about, p for the others',
    };
  const x = values.get(name)!;
  const w = weights.get(`${layer.name}.weight`);
  const y = values.get(layer.name)!;
  return { layer: name, index, stored, by: layer.name, ...readersOf(layer, x, w, y, dy, index) };
}

function readersOf(
  layer: Layer,
  x: Tensor,
  w: Tensor | undefined,
  y: Tensor,
  dy: Tensor,
  index: number,
): Pick<Gradient, 'readers' | 'rule'> {
  const DY = dense(dy);
  if (isSum(layer)) {
    const pairs =
      layer.kind === 'conv2d' ? outputsOf(layer, x.shape, y.shape, index) : column(w!.shape, index);
    const F = dense(w!);
    const readers = pairs.map(([at, f]) => ({ index: at, dy: DY[at], factor: F[f] }));
    return {
      readers,
      rule: 'the sum, over every value that reads this one, of its gradient times the weight between them',
    };
  }
  switch (layer.kind) {
    case 'relu': {
      const open = dense(y)[index] > 0;
      const rule = open
        ? 'ReLU let the value through, so the gradient passes'
        : 'ReLU cut the value off, so no gradient passes';
      return { readers: [{ index, dy: DY[index], factor: open ? 1 : 0 }], rule };
    }
    case 'maxpool': {
      const readers: Reader[] = [];
      for (const [at, winner] of ops.maxpool.winners(x, layer.attributes).entries())
        if (winner === index) readers.push({ index: at, dy: DY[at], factor: 1 });
      const rule =
        readers.length > 0
          ? 'the sum over the windows whose maximum it was'
          : 'it was the maximum of no window';
      return { readers, rule };
    }
    case 'dropout': {
      const factor = layer.attributes.convention === 'paper' ? 1 - layer.attributes.ratio : 1;
      return { readers: [{ index, dy: DY[index], factor }], rule: 'at test time dropout is one factor' };
    }
    case 'flatten':
      return { readers: [{ index, dy: DY[index], factor: 1 }], rule: 'flattening only moves values' };
    case 'lrn':
      return { readers: [], rule: 'dy · s^−β − 2βα′ · x · the sum over the maps that normalise by this one' };
    default:
      return { readers: [], rule: `backward of ${layer.kind}` };
  }
}

/** Neuron by neuron: [output, weight]. */
const column = ([O, I]: Shape, i: number): [number, number][] =>
  Array.from({ length: O }, (_, o) => [o, o * I + i]);

/** [output, weight] of each place where a convolution's window meets the input value, in ascending (k, r, s). */
function outputsOf(layer: LayerOf<'conv2d'>, x: Shape, y: Shape, index: number): [number, number][] {
  const { stride, pad, dilation, groups } = layer.attributes;
  const [R, S] = layer.kernel;
  const [, C, H, W] = x;
  const [, K, P, Q] = y;
  const CG = C / groups;
  const KG = K / groups;
  const c = Math.floor(index / (H * W));
  const g = Math.floor(c / CG);
  const pairs: [number, number][] = [];
  for (let k = g * KG; k < (g + 1) * KG; k++) {
    for (let r = 0; r < R; r++) {
      const p = ((Math.floor(index / W) % H) + pad[0] - r * dilation[0]) / stride[0];
      if (!Number.isInteger(p) || p < 0 || p >= P) continue;
      for (let s = 0; s < S; s++) {
        const q = ((index % W) + pad[1] - s * dilation[1]) / stride[1];
        if (!Number.isInteger(q) || q < 0 || q >= Q) continue;
        pairs.push([(k * P + p) * Q + q, ((k * CG + (c - g * CG)) * R + r) * S + s]);
      }
    }
  }
  return pairs;
}
