/** y = x / s^β, s = k + α′ · Σ x²: how LRN and normalisation within maps make a value, and its gradient. */
import { invPow } from '../../reference/math.ts';
import type { LayerOf } from '../../reference/networks/layers.ts';
import * as ops from '../../reference/ops/index.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { pieceAt } from './piece.ts';
import type { Reader, Step } from './told.ts';
import { neighbours } from './windows.ts';

type Normaliser = LayerOf<'lrn' | 'mapnorm'>;

/** How α is scaled: its value, and as it is written. */
function alphaOf({ kind, attributes: { alpha, size, divide } }: Normaliser) {
  const n = kind === 'lrn' ? size : size ** 2;
  return divide ? { value: alpha / n, text: `α/n = ${alpha}/${n}` } : { value: alpha, text: `α = ${alpha}` };
}

export function normalised(layer: Normaliser, window: Float32Array, x: number): Step[] {
  const { beta, k } = layer.attributes;
  const alpha = alphaOf(layer);
  let squares = 0;
  for (const v of window) squares += v * v;
  const s = k + alpha.value * squares;
  return [
    { what: `the sum of ${window.length} squares`, value: squares },
    { what: `s = k + α′ · sum, k = ${k}, α′ = ${alpha.text}`, value: s },
    { what: `s to the power −${beta}`, value: invPow(s, beta) },
    { what: 'x times that', value: x * invPow(s, beta) },
  ];
}

/** Of the gradient of value `index` of x: every value whose window holds it, and the sum as the oracle has it. */
export function normalisedBack(layer: Normaliser, x: Tensor, dy: Tensor, index: number) {
  const { of, at: i, whole } = pieceAt(layer.kind, x.shape, index);
  const piece = of(x);
  const { beta } = layer.attributes;
  const { value: scale, text } = alphaOf(layer);
  const s =
    layer.kind === 'lrn'
      ? ops.lrn.denominators(piece, layer.attributes)
      : ops.mapnorm.denominators(piece, layer.attributes);
  const X = dense(piece);
  const DY = dense(of(dy));
  const through = (j: number): number => (DY[j] * X[j] * invPow(s[j], beta)) / s[j];
  const held = holders(layer, piece, i);
  const readers = held.map((j): Reader => {
    const own = j === i ? invPow(s[i], beta) : 0;
    const factor = own - (2 * beta * scale * X[i] * X[j] * invPow(s[j], beta)) / s[j];
    return { index: whole(x.shape, j), dy: DY[j], factor, product: DY[j] * factor };
  });
  const direct = DY[i] * invPow(s[i], beta);
  const sum = held.reduce((total, j) => total + through(j), 0);
  const indirect = 2 * beta * scale * X[i] * sum;
  const steps: Step[] = [
    { what: 'through its own numerator: dy · s^−β', value: direct },
    { what: `the sum of dy · y / s over the ${held.length} windows that hold it`, value: sum },
    { what: `through their denominators: 2βα′ · x · sum, β = ${beta}, α′ = ${text}`, value: indirect },
    { what: 'the first less the last', value: direct - indirect },
  ];
  return { readers, steps };
}

/** Whose windows hold value `i` of a piece: the mirror image of its own window. */
function holders(layer: Normaliser, piece: Tensor, i: number): readonly number[] {
  if (layer.kind === 'mapnorm') {
    const { size } = layer.attributes;
    return neighbours(size, piece.shape, i, size - 1 - Math.floor(size / 2)).at;
  }
  const even = layer.attributes.even === 'above' ? 'below' : 'above';
  const [first, last] = ops.lrn.windowOf(i, piece.shape[1], { ...layer.attributes, even });
  return Array.from({ length: last - first + 1 }, (_, j) => first + j);
}
