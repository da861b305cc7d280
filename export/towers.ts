/**
 * The two towers: a network of two groups as it ran (section 3.2, figure 2), each device with its half of every layer.
 *
 * A tower's table is the network's with half the kernels, cut into segments before every layer that reads what the
 * other tower made. A segment's first layer reads a joined input, its own maps and the received ones in the network's
 * order; so a tower's graph is a chain of pieces, run one by one by asking for their outputs.
 *
 * Paper   conv3, fc6, fc7 and fc8 read both towers; the other layers their own. The released source (layers-145.cfg)
 *         has fc8 on the first device alone, which gets the second one's half of fc7.
 * Beyond  LRN over all maps, as the paper's text has it, reads n/2 maps of the neighbour at the towers' border; the
 *         released source's stays within a tower.
 */
import { mustBeNetwork, mustBeWeights } from '../reference/named.ts';
import { networks } from '../reference/networks/index.ts';
import type { Layer, Network } from '../reference/networks/layers.ts';
import { inputsOf, shapes, type Weights } from '../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../reference/tensor.ts';
import { GraphBuilder, withBatch } from './graph.ts';
import {
  type BuildModelOptions,
  checkWeights,
  emitLayers,
  feed,
  modelAround,
  opsetOf,
  settingsOf,
} from './model.ts';
import { type ModelFile, modelFile } from './write.ts';

/** Maps [from, to) of a value of the whole network. */
export interface Maps {
  readonly value: string;
  readonly from: number;
  readonly to: number;
}

export interface Segment {
  /** With the tower's share of the kernels; the first reads `input`. */
  readonly layers: readonly Layer[];
  /** 'input', or 'pool2/joined'. */
  readonly input: string;
  /** What `input` holds. */
  readonly takes: Maps;
  /** Of every value, how many maps before and behind the tower's own are the neighbour's, needed and not kept. */
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
  const channels = (value: string): number => known.get(value)![1];
  const half = (value: string): Maps => {
    const share = channels(value) / TOWERS;
    return { value, from: index * share, to: (index + 1) * share };
  };
  const whole = (value: string): Maps => ({ value, from: 0, to: channels(value) });
  const segments: { layers: Layer[]; input: string; takes: Maps; border: [number, number] }[] = [];
  const own = new Map<string, Maps>();
  for (const [at, layer] of layers.entries()) {
    if (at >= alone && index > 0) break;
    const [reads] = inputsOf(network, at);
    const reach = reachOf(layer, at);
    if (at === 0 || reach > 0 || isBorder(reachOf(layers[at - 1], at - 1))) {
      const { from, to } = at === 0 ? whole(reads) : half(reads);
      const takes = {
        value: reads,
        from: Math.max(0, from - reach),
        to: Math.min(channels(reads), to + reach),
      };
      const border: [number, number] = isBorder(reach) ? [from - takes.from, takes.to - to] : [0, 0];
      segments.push({ layers: [], input: at === 0 ? reads : `${reads}/joined`, takes, border });
    }
    const segment = segments[segments.length - 1];
    const part = at < alone ? halved(layer) : layer;
    segment.layers.push(segment.layers.length === 0 ? { ...part, inputs: [segment.input] } : part);
    own.set(layer.name, at < alone ? half(layer.name) : whole(layer.name));
  }
  return { index, segments, own };
}

/** What goes from one tower to the other, in the order of the network. */
export function exchangesOf(towers: readonly Tower[]): Exchange[] {
  return towers[0].segments.flatMap((_, at) =>
    towers.flatMap(({ segments, index: receiver }) =>
      towers.flatMap(({ own, index: sender }): Exchange[] => {
        const segment = segments[at];
        const made = segment && sender !== receiver ? common(segment.takes, own) : undefined;
        return made ? [{ ...made, before: segment.layers[0].name, sender, receiver }] : [];
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

/** A tower's share of the network's weights: the rows of its kernels, viewed. */
export function weightsOf({ own }: Tower, weights: Weights): Weights {
  const rows = (t: Tensor, { from, to }: Maps): Tensor => {
    const [K, ...rest] = t.shape;
    const size = t.size / K;
    return tensor(dense(t).subarray(from * size, to * size), [to - from, ...rest]);
  };
  return new Map(
    [...weights].flatMap(([name, t]) => {
      const maps = own.get(name.slice(0, name.lastIndexOf('.')));
      return maps ? [[name, rows(t, maps)] as const] : [];
    }),
  );
}

export type BuildTowerOptions = Pick<
  BuildModelOptions,
  'opset' | 'batch' | 'lrn' | 'precision' | 'externalData' | 'weightsSource'
>;

/**
 * One tower as a model: an input and an output a segment, metadata that say what they hold and what is exchanged
 * ('tower', JSON). Throws RangeError as `towersOf` and `buildModel` do.
 */
export function buildTower(
  network: Network,
  weights: Weights,
  index: number,
  options: BuildTowerOptions = {},
): ModelFile {
  mustBeWeights('weights', weights);
  const towers = towersOf(network);
  const tower = towers[index];
  if (!tower) throw new RangeError(`tower must be 0 or 1 (= ${index})`);
  checkWeights(network, weights);
  const opset = opsetOf(options);
  const g = new GraphBuilder(settingsOf(options));
  const known = shapes(network);
  const own = weightsOf(tower, weights);
  for (const { input, takes, layers } of tower.segments) {
    const { value, from, to } = takes;
    const [, , ...rest] = known.get(value)!;
    const fed = feed(g, input, withBatch([1, to - from, ...rest], g.settings.batch));
    emitLayers(g, { layers }, own, new Map([[input, fed]]));
    g.output(layers[layers.length - 1].name);
  }
  const { weightsSource } = options;
  const metadata = {
    tower: JSON.stringify(aboutTower(network, towers, tower)),
    preprocess: JSON.stringify(network.preprocess),
    ...(weightsSource === undefined ? {} : { 'weights.source': weightsSource }),
  };
  const doc = `Tower ${index} of ${TOWERS}, section 3.2: run it segment by segment, by asking for their outputs.`;
  return modelFile(
    modelAround(g, network, `${network.name}_tower${index}`, doc, opset, metadata),
    options.externalData,
  );
}

function aboutTower({ name }: Network, towers: readonly Tower[], { index, segments }: Tower) {
  const exchanges = exchangesOf(towers);
  return {
    network: name,
    tower: index,
    towers: TOWERS,
    segments: segments.map(({ layers, input, takes }) => ({
      input,
      takes,
      layers: layers.map((layer) => layer.name),
    })),
    receives: exchanges.filter(({ receiver }) => receiver === index),
    sends: exchanges.filter(({ sender }) => sender === index),
  };
}
