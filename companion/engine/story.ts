/** How one value came to be: what it read, the steps from there, its value unrounded and how far others may be off. */

import type { Running } from '../../lib/picture/running.ts';
import type { Kind } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { dense } from '../../reference/tensor.ts';
import { type Judgement, judge } from './alone.ts';
import { running as accumulator, isSum, sumOf } from './products.ts';
import { type Reading, readingOf } from './reading.ts';
import type { Step } from './told.ts';

export interface Story extends Judgement, Partial<Reading> {
  readonly layer: string;
  readonly kind: Kind | 'input';
  readonly index: number;
  /** As it is stored: float32. */
  readonly stored: number;
  /** Of which layer the values are that it read; 'input' for the picture. */
  readonly from?: string;
  /** Of a sum of products: the kernel, and the accumulator after each term. */
  readonly sum?: { readonly w: Float32Array; readonly running: Float64Array; readonly bias: number };
  readonly steps: readonly Step[];
}

/** The story of value `index` of a layer's output. */
export function storyOf({ network, weights, values }: Running, name: string, index: number): Story {
  const y = values.get(name)!;
  const stored = dense(y)[index];
  const place = { layer: name, index, stored };
  if (name === 'input') return { ...place, kind: 'input', exact: stored, bound: 0, steps: [] };
  const number = network.layers.findIndex((layer) => layer.name === name);
  const layer = network.layers[number];
  const names = inputsOf(network, number);
  const inputs = names.map((input) => values.get(input)!);
  const about = {
    ...place,
    kind: layer.kind,
    from: names[0],
    ...judge(layer, inputs, weights, index, y.shape),
  };
  if (!isSum(layer)) return { ...about, ...readingOf(layer, inputs, index, y.shape) };
  const { at, x, w, window, bias } = sumOf(layer, inputs[0], weights, index, y.shape);
  const running = accumulator({ x, w });
  const total = running.at(-1)!;
  const steps = [
    { what: `${x.length} products, added one after another in float64`, value: total },
    { what: 'plus the bias', value: bias },
    { what: 'the sum', value: total + bias },
  ];
  return { ...about, at, x, window, sum: { w, running, bias }, steps };
}
