/**
 * Brings weights to another convention without changing what the network computes.
 *
 *   channels   RGB ↔ BGR: conv1's input channels in reverse, mean and deviation too; exact
 *   range      0..255 ↔ 0..1, the deviation left as it is: conv1's weights × 255 or ÷ 255; rounded once
 *   mean       folded into conv1's bias: b′ = b − Σ w·m/d, for input from which nothing is subtracted; only
 *              where conv1 has no pads, since a padded zero stands for the mean before and for black after
 *   deviation  folded into conv1's weights: w′ = w/d; rounded once
 *   dropout    'paper' halves the dropout layers' outputs at test time, 'inverted' does not: ½ folded into,
 *              or out of, the weights of the layer that follows; exact
 * LRN's k, α, β and n are no linear map of its input and can be folded into nothing.
 */

import type { Preprocess } from '../../reference/input/preprocess.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { floatValue, type NumericValue, widen } from '../array/value.ts';

export interface Wish {
  readonly channels?: 'RGB' | 'BGR';
  readonly range?: 255 | 1;
  readonly fold?: readonly ('mean' | 'deviation')[];
  readonly dropout?: 'paper' | 'inverted';
}

/** What the steps change. */
interface Conventional {
  network: Network;
  readonly arrays: Map<string, NumericValue>;
  preprocess: Preprocess;
  /** What was done, one line each. */
  readonly notes: string[];
}

/** The same function of the same photo under the conventions wished for. Throws Error where there is none. */
export function convertConventions(
  network: Network,
  arrays: ReadonlyMap<string, NumericValue>,
  preprocess: Preprocess,
  wish: Wish,
): Readonly<Conventional> {
  const result = { network, arrays: new Map(arrays), preprocess, notes: [] as string[] };
  const { dropout } = wish;
  const steps: ((c: Conventional) => void)[] = [];
  if (wish.channels && wish.channels !== preprocess.channels) steps.push(swapChannels);
  if (wish.fold?.includes('mean')) steps.push(foldMean);
  if (wish.fold?.includes('deviation')) steps.push(foldDeviation);
  if (wish.range && wish.range !== preprocess.range) steps.push(rescale);
  if (dropout) steps.push((c) => refoldDropout(c, dropout));
  for (const step of steps) step(result);
  return { ...result, network: { ...result.network, preprocess: result.preprocess } };
}

/** The convolution that reads the input. Throws Error if there is none, or more than one. */
function firstLayer(network: Network): Layer & { kind: 'conv2d' } {
  const [layer, ...more] = network.layers.filter((_, index) => inputsOf(network, index).includes('input'));
  if (more.length === 0 && layer?.kind === 'conv2d' && layer.attributes.groups === 1) return layer;
  throw new Error(`${network.name}: its input is not read by one convolution without groups`);
}

function get(c: Conventional, name: string): NumericValue {
  const array = c.arrays.get(name);
  if (!array) throw new Error(`${name} is missing`);
  return array;
}

/** Puts f of every value and its place (k, c) in an array (K,C,…) for the value; halves become float32. */
function mapArray(c: Conventional, name: string, f: (value: number, k: number, c: number) => number): void {
  const array = get(c, name);
  const [, C = 1, ...rest] = array.shape;
  const area = sizeOf(rest);
  const place = (i: number) => [Math.floor(i / (C * area)), Math.floor(i / area) % C] as const;
  const data = widen(array).map((value, i) => f(value, ...place(i)));
  c.arrays.set(name, floatValue(data, array.shape));
}

function swapChannels(c: Conventional): void {
  const { name } = firstLayer(c.network);
  const array = get(c, `${name}.weight`);
  const [K, C, R, S] = array.shape;
  const data = array.data.slice() as typeof array.data;
  for (let k = 0; k < K; k++) {
    for (let i = 0; i < C; i++) {
      const at = (k * C + i) * R * S;
      data.set(array.data.subarray(at, at + R * S) as never, (k * C + C - 1 - i) * R * S);
    }
  }
  c.arrays.set(`${name}.weight`, { ...array, data });
  const { channels } = c.preprocess;
  const mean = c.preprocess.mean.toReversed();
  const deviation = c.preprocess.deviation.toReversed();
  c.preprocess = { ...c.preprocess, channels: channels === 'RGB' ? 'BGR' : 'RGB', mean, deviation };
  c.notes.push(`${name}: input channels ${channels} → ${c.preprocess.channels} (exact)`);
}

function noMeanImage({ preprocess, network }: Conventional): void {
  if (preprocess.meanImage === 'required') {
    throw new Error(`${network.name} subtracts a mean image: only a mean pixel can be folded or rescaled`);
  }
}

function rescale(c: Conventional): void {
  noMeanImage(c);
  const { name } = firstLayer(c.network);
  const { range, mean } = c.preprocess;
  const other = range === 255 ? 1 : 255;
  const factor = range / other;
  mapArray(c, `${name}.weight`, (value) => value * factor);
  c.preprocess = { ...c.preprocess, range: other, mean: mean.map((value) => value / factor) };
  const how = factor > 1 ? 'times 255' : 'over 255';
  c.notes.push(`${name}: input range 0..${range} → 0..${other}, weights ${how} (each rounded once)`);
}

function foldMean(c: Conventional): void {
  noMeanImage(c);
  const { name, attributes } = firstLayer(c.network);
  if (attributes.pad.some((pad) => pad !== 0)) {
    const why = 'since the padded zeros would change their meaning';
    const layer = `${name} of ${c.network.name}`;
    throw new Error(`${layer} has pads [${attributes.pad}]: a mean cannot be folded into it, ${why}`);
  }
  const { mean, deviation } = c.preprocess;
  const weight = get(c, `${name}.weight`);
  const [K, C] = weight.shape;
  const values = widen(weight);
  const area = values.length / (K * C);
  const shift = new Float64Array(K);
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / area) % C;
    shift[Math.floor(i / (C * area))] += (values[i] * mean[channel]) / deviation[channel];
  }
  mapArray(c, `${name}.bias`, (value, k) => value - shift[k]);
  c.preprocess = { ...c.preprocess, mean: mean.map(() => 0), meanImage: 'none' };
  c.notes.push(`${name}: mean ${mean.join(', ')} folded into the bias (rounded once)`);
}

/** Zero stays zero, so pads do not matter; what is left of (p − m)/d is p − m. */
function foldDeviation(c: Conventional): void {
  const { name } = firstLayer(c.network);
  const { deviation } = c.preprocess;
  mapArray(c, `${name}.weight`, (value, _, i) => value / deviation[i]);
  c.preprocess = { ...c.preprocess, deviation: deviation.map(() => 1) };
  c.notes.push(`${name}: deviation ${deviation.join(', ')} folded into the weights (each rounded once)`);
}

/** The layer with weights that follows a dropout layer, all between them being without weights and homogeneous. */
function following(network: Network, index: number): Layer {
  for (const layer of network.layers.slice(index + 1)) {
    if (layer.kind === 'linear' || layer.kind === 'conv2d') return layer;
    if (!['relu', 'flatten', 'dropout', 'maxpool'].includes(layer.kind)) break;
  }
  const { name } = network.layers[index];
  throw new Error(`${name}: no layer with weights follows into which ½ could be folded`);
}

/** What a network's dropout layers do at test time; null where it has none. */
export const dropoutOf = ({ layers }: Network): 'paper' | 'inverted' | null =>
  layers.find((layer) => layer.kind === 'dropout')?.attributes.convention ?? null;

/** The network with dropout layers of that convention, where `convention` is one; else as it is. */
export function withDropout(network: Network, convention: string | undefined): Network {
  if (convention !== 'paper' && convention !== 'inverted') return network;
  const layers = network.layers.map((layer): Layer => {
    return layer.kind === 'dropout' ? { ...layer, attributes: { ...layer.attributes, convention } } : layer;
  });
  return { ...network, layers };
}

function refoldDropout(c: Conventional, wanted: 'paper' | 'inverted'): void {
  const layers = c.network.layers.map((layer, index): Layer => {
    if (layer.kind !== 'dropout' || layer.attributes.convention === wanted) return layer;
    const { name } = following(c.network, index);
    const keep = 1 - layer.attributes.ratio;
    const factor = wanted === 'inverted' ? keep : 1 / keep;
    mapArray(c, `${name}.weight`, (value) => value * factor);
    const where = wanted === 'inverted' ? 'in' : 'out of';
    c.notes.push(`${name}: weights × ${factor}, ${layer.name}'s factor ${keep} is ${where} them`);
    return { ...layer, attributes: { ...layer.attributes, convention: wanted } };
  });
  c.network = { ...c.network, layers };
}

/**
 * Why weights of one network cannot serve another of the same shapes; null if dropout and preprocessing
 * alone differ.
 */
export function difference(from: Network, to: Network): string | null {
  const bare = ({ layers }: Network) => layers.filter(({ kind }) => kind !== 'dropout');
  const text = (layer: Layer) => JSON.stringify({ ...layer, channels: 0 });
  const a = bare(from);
  const b = bare(to);
  for (const [index, layer] of a.entries()) {
    const other = b[index];
    if (other && text(layer) === text(other)) continue;
    const norm = layer.kind === 'lrn' || layer.kind === 'mapnorm';
    const what = norm ? ': no weight can carry the constants of a normalisation' : '';
    const there = other ? `${other.name} of ${to.name}` : `in ${to.name}`;
    return `${layer.name} of ${from.name} is not ${there}${what}`;
  }
  return a.length === b.length ? null : `${to.name} has more layers than ${from.name}`;
}
