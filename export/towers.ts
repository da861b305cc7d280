/**
 * The two towers: a network of two groups as it ran (section 3.2, figure 2), each device with its half of every layer.
 *
 * A tower is the network's table with half the kernels, cut into segments before every layer that reads what the other
 * tower made. A segment is a network of its own, whose input are the maps that its first layer reads: the tower's own
 * and the received ones, in the whole network's order.
 *
 * Paper   conv3, fc6, fc7 and fc8 read both towers; the other layers their own. The released source (layers-145.cfg)
 *         has fc8 on the first device alone, which gets the second one's half of fc7.
 * Beyond  LRN over all maps, as the paper's text has it, reads n/2 maps of the neighbour at the towers' border; the
 *         released source's stays within a tower.
 */
import { mustBeNetwork, mustBeWeights } from '../reference/named.ts';
import { networks } from '../reference/networks/index.ts';
import type { Layer, Network } from '../reference/networks/layers.ts';
import { inputsOf, shapes, type Weights, weightShapes } from '../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../reference/tensor.ts';
import { type BuildModelOptions, buildModel } from './model.ts';
import type { ModelFile } from './write.ts';

/** Maps [from, to) of a value of the whole network. */
export interface Maps {
  readonly value: string;
  readonly from: number;
  readonly to: number;
}

export interface Segment {
  /** With the tower's share of the kernels. */
  readonly network: Network;
  /** What its input is. */
  readonly takes: Maps;
  /** How many maps of each of its values, before and behind the tower's own, are the neighbour's and not kept. */
  readonly border: readonly [number, number];
}

export interface Tower {
  readonly index: number;
  readonly segments: readonly Segment[];
  /** Which maps of each value it makes. */
  readonly own: ReadonlyMap<string, Maps>;
}

/** Maps that one tower sends the other before a layer. */
export interface Exchange extends Maps {
  readonly before: string;
  readonly sender: number;
  readonly receiver: number;
}

const TOWERS = 2;

/** How many maps beyond its own a layer reads: none, n/2 at the border, or all. */
function reachOf(layer: Layer, at: number): number {
  if (layer.kind === 'linear') return Number.POSITIVE_INFINITY;
  if (layer.kind === 'conv2d') return at > 0 && layer.attributes.groups === 1 ? Number.POSITIVE_INFINITY : 0;
  return layer.kind === 'lrn' && layer.attributes.groups === 1 ? Math.floor(layer.attributes.size / 2) : 0;
}

const isBorder = (reach: number): boolean => reach > 0 && Number.isFinite(reach);

/** The layer with one tower's kernels, and groups within it. */
function halved(layer: Layer): Layer {
  if (layer.kind === 'linear') return { ...layer, channels: layer.channels / TOWERS };
  if (layer.kind !== 'conv2d' && layer.kind !== 'lrn') return layer;
  const groups = Math.max(1, layer.attributes.groups / TOWERS);
  if (layer.kind === 'lrn') return { ...layer, attributes: { ...layer.attributes, groups } };
  return { ...layer, channels: layer.channels / TOWERS, attributes: { ...layer.attributes, groups } };
}

/** From here on (fc8, prob) the first tower computes alone. */
const lastLinear = ({ layers }: Network): number => layers.findLastIndex(({ kind }) => kind === 'linear');

/** Whether it has layers in two groups and none that two towers could not halve. */
function hasTowers(network: Network): boolean {
  const divides = (layer: Layer, at: number): boolean => {
    if (layer.inputs) return false;
    if (layer.kind === 'flatten') return layer.attributes.order === 'CHW';
    if (layer.kind === 'linear') return layer.channels % TOWERS === 0;
    if (layer.kind === 'lrn') return [1, TOWERS].includes(layer.attributes.groups);
    if (layer.kind !== 'conv2d') return true;
    const { groups } = layer.attributes;
    return layer.channels % TOWERS === 0 && (groups === 1 || (at > 0 && groups === TOWERS));
  };
  const { layers } = network;
  const grouped = layers.some((layer) => layer.kind === 'conv2d' && layer.attributes.groups > 1);
  return grouped && layers[0].kind === 'conv2d' && layers.slice(0, lastLinear(network)).every(divides);
}

/** The network's two towers. Throws RangeError for a network that has none. */
export function towersOf(network: Network): readonly Tower[] {
  mustBeNetwork('network', network);
  if (!hasTowers(network)) {
    const names = networks.filter(hasTowers).map(({ name }) => name);
    throw new RangeError(
      `${network.name} has no two towers that halve its layers (there are: ${names.join(', ')})`,
    );
  }
  return Array.from({ length: TOWERS }, (_, index) => towerOf(network, index));
}

function towerOf(network: Network, index: number): Tower {
  const { layers } = network;
  const alone = lastLinear(network);
  const known = shapes(network);
  const whole = (value: string): Maps => ({ value, from: 0, to: known.get(value)![1] });
  const half = (value: string): Maps => {
    const share = known.get(value)![1] / TOWERS;
    return { value, from: index * share, to: (index + 1) * share };
  };
  const segments: Segment[] = [];
  for (const { from: first, to: end } of cutsOf(network)) {
    if (first >= alone && index > 0) break;
    const [value] = inputsOf(network, first);
    const reach = reachOf(layers[first], first);
    const own = first === 0 ? whole(value) : half(value);
    const takes = {
      value,
      from: Math.max(0, own.from - reach),
      to: Math.min(whole(value).to, own.to + reach),
    };
    const [, , ...rest] = known.get(value)!;
    const part: Network = {
      ...network,
      name: `${network.name}, tower ${index}, segment ${segments.length}`,
      input: [takes.to - takes.from, ...rest],
      layers: layers.slice(first, end).map((layer, at) => (first + at < alone ? halved(layer) : layer)),
    };
    const border = isBorder(reach)
      ? ([own.from - takes.from, takes.to - own.to] as const)
      : ([0, 0] as const);
    segments.push({ network: part, takes, border });
  }
  const made = index === 0 ? layers : layers.slice(0, alone);
  const own = made.map(({ name }, at) => [name, at < alone ? half(name) : whole(name)] as const);
  return { index, segments, own: new Map(own) };
}

/** The layers [from, to) of each segment. */
function cutsOf({ layers }: Network) {
  const reach = layers.map(reachOf);
  const starts = [...layers.keys()].filter((at) => at === 0 || reach[at] > 0 || isBorder(reach[at - 1]));
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? layers.length }));
}

/** What goes from one tower to the other, in the order of the network. */
export function exchangesOf(towers: readonly Tower[]): Exchange[] {
  return towers[0].segments.flatMap((_, at) =>
    towers.flatMap(({ segments, index: receiver }) =>
      towers.flatMap(({ own, index: sender }): Exchange[] => {
        const segment = segments[at];
        const made = segment && sender !== receiver ? common(segment.takes, own) : undefined;
        return made ? [{ ...made, before: segment.network.layers[0].name, sender, receiver }] : [];
      }),
    ),
  );
}

/** The maps of those that a tower makes; undefined where there are none. */
export function common({ value, from, to }: Maps, own: Tower['own']): Maps | undefined {
  const made = own.get(value);
  if (!made || made.to <= from || to <= made.from) return undefined;
  return { value, from: Math.max(from, made.from), to: Math.min(to, made.to) };
}

/** A segment's share of the network's weights: the rows of its kernels, viewed. */
export function weightsOf({ own }: Tower, { network }: Segment, weights: Weights): Weights {
  const share = new Map<string, Tensor>();
  for (const name of weightShapes(network).keys()) {
    const t = weights.get(name);
    if (!t) continue;
    const { from, to } = own.get(name.slice(0, name.lastIndexOf('.')))!;
    const [K, ...rest] = t.shape;
    const size = t.size / K;
    share.set(name, tensor(dense(t).subarray(from * size, to * size), [to - from, ...rest]));
  }
  return share;
}

export type BuildTowerOptions = Pick<
  BuildModelOptions,
  'opset' | 'batch' | 'lrn' | 'precision' | 'weightsSource'
>;

/**
 * The models of one tower, segment by segment; metadata say what the input holds and what is exchanged ('tower',
 * JSON). Throws RangeError as `towersOf` and `buildModel` do.
 */
export function buildTower(
  network: Network,
  weights: Weights,
  index: number,
  options: BuildTowerOptions = {},
): ModelFile[] {
  mustBeWeights('weights', weights);
  const towers = towersOf(network);
  const tower = towers[index];
  if (!tower) throw new RangeError(`tower must be 0 or 1 (= ${index})`);
  const exchanges = exchangesOf(towers);
  return tower.segments.map((segment, at) => {
    const layers = segment.network.layers.map(({ name }) => name);
    const about = {
      ...{
        network: network.name,
        tower: index,
        towers: TOWERS,
        segment: at,
        segments: tower.segments.length,
      },
      ...{ layers, takes: segment.takes, border: segment.border },
      receives: exchanges.filter(({ before, receiver }) => before === layers[0] && receiver === index),
      sends: exchanges.filter(({ value, sender }) => layers.includes(value) && sender === index),
    };
    const metadata = { tower: JSON.stringify(about) };
    return buildModel(segment.network, weightsOf(tower, segment, weights), { ...options, metadata });
  });
}
