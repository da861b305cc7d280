/** The values that read one value, layer by layer, and how their gradients make its own. */
import type { Layer, LayerOf } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, type Shape, type Tensor } from '../../reference/tensor.ts';
import { normalisedBack } from './normaliser.ts';
import { pieceAt } from './piece.ts';
import { isSum } from './products.ts';
import type { Reader, Step } from './told.ts';
import { binned, pooled } from './windows.ts';

export interface Readers {
  /** In the order in which the oracle adds them. */
  readonly readers: readonly Reader[];
  readonly steps: readonly Step[];
  /** In one sentence. */
  readonly rule: string;
}

/** What makes the gradient of value `index` of x, where y = layer(x) with weights w, and the gradient of y is dy. */
export function readersOf(
  layer: Layer,
  x: Tensor,
  w: Tensor | undefined,
  y: Tensor,
  dy: Tensor,
  index: number,
): Readers {
  const DY = dense(dy);
  const Y = dense(y);
  const reader = (at: number, factor: number, product = DY[at] * factor): Reader => ({
    index: at,
    dy: DY[at],
    factor,
    product,
  });
  if (isSum(layer)) {
    const pairs =
      layer.kind === 'conv2d' ? outputsOf(layer, x.shape, y.shape, index) : column(w!.shape, index);
    const F = dense(w!);
    const rule =
      'the sum, over every value that reads this one, of its gradient times the weight between them';
    return added(
      pairs.map(([at, f]) => reader(at, F[f])),
      rule,
    );
  }
  switch (layer.kind) {
    case 'relu':
      return Y[index] > 0
        ? added([reader(index, 1)], 'ReLU let the value through, so the gradient passes')
        : added([reader(index, 0)], 'ReLU cut the value off, so no gradient passes');
    case 'tanh': {
      const v = Y[index];
      return added([reader(index, (1 - v) * (1 + v), DY[index] * (1 - v) * (1 + v))], 'dy · (1 − y²)');
    }
    case 'sigmoid': {
      const v = Y[index];
      return added([reader(index, v * (1 - v), DY[index] * v * (1 - v))], 'dy · y · (1 − y)');
    }
    case 'maxpool': {
      const { of, at, whole } = pieceAt(layer.kind, x.shape, index);
      const winners = [...ops.maxpool.winners(of(x), layer.attributes).entries()];
      const won = winners.filter(([, winner]) => winner === at).map(([p]) => reader(whole(y.shape, p), 1));
      const rule = 'the sum over the windows whose maximum it was';
      return added(won, won.length > 0 ? rule : 'it was the maximum of no window');
    }
    case 'avgpool':
    case 'adaptiveavgpool':
      return added(
        averages(layer, x.shape, y.shape, index, DY),
        'an equal share of each window that holds it',
      );
    case 'dropout': {
      const factor = layer.attributes.convention === 'paper' ? 1 - layer.attributes.ratio : 1;
      return added([reader(index, factor)], 'at test time dropout is one factor');
    }
    case 'flatten':
      return added([reader(index, 1)], 'flattening only moves values');
    case 'lrn':
    case 'mapnorm': {
      const rule =
        'the value is in its own numerator, and in the denominator of every value that normalises by it';
      return { ...normalisedBack(layer, x, dy, index), rule };
    }
    default:
      return { readers: [], steps: [], rule: `backward of ${layer.kind}` };
  }
}

function added(readers: readonly Reader[], rule: string): Readers {
  const value = readers.reduce((sum, { product }) => sum + product, 0);
  return { readers, steps: [{ what: `${readers.length} products, added one after another`, value }], rule };
}

/** The windows of average pooling that hold pixel `index`, each with one over its divisor. */
function averages(
  layer: LayerOf<'avgpool' | 'adaptiveavgpool'>,
  x: Shape,
  y: Shape,
  index: number,
  DY: ArrayLike<number>,
): Reader[] {
  const [, , P, Q] = y;
  const [, , H, W] = x;
  const first = Math.floor(index / (H * W)) * P * Q;
  const readers: Reader[] = [];
  for (let i = first; i < first + P * Q; i++) {
    const { at, top, left } = layer.kind === 'avgpool' ? pooled(layer.attributes, x, y, i) : binned(x, y, i);
    if (!at.includes(index)) continue;
    const divisor =
      layer.kind === 'avgpool' ? ops.avgpool.divisorAt(top, left, H, W, layer.attributes) : at.length;
    readers.push({ index: i, dy: DY[i], factor: 1 / divisor, product: DY[i] / divisor });
  }
  return readers;
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
