/**
 * Which tensor of a file is which weight of a network: by name where the names are known, else by order and
 * shape. Nothing is read; what must be transposed is said layer by layer.
 */
import { fitNetwork } from '../../reference/networks/fit.ts';
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, layerShape } from '../../reference/oracle.ts';
import { type Shape, sizeOf } from '../../reference/tensor.ts';
import type { TensorFile } from '../format/tensors.ts';
import { biasLayout, type Layout, type Weighted, weightLayouts } from './layout.ts';
import { type Named, nameByConvention, namesUnder } from './names.ts';

export interface Assignment {
  /** This project's name: 'conv1.weight'. */
  readonly own: string;
  readonly theirs: string;
  readonly layout: Layout;
}

export interface Mapping {
  /** The network, its widths those of the weights. */
  readonly network: Network;
  /** 'Caffe names', 'order and shape'. */
  readonly by: string;
  readonly naming: Named['naming'] | null;
  readonly assignments: readonly Assignment[];
  readonly notes: readonly string[];
}

type Tensors = Pick<TensorFile, 'tensors' | 'inOut' | 'mapsLast'>;

/**
 * The mapping of the file's tensors to the network. Throws Error, in one line, where tensors are missing,
 * left over or of another shape, and where several mappings are possible, naming the choices.
 */
export function mapTensors(network: Network, file: Tensors): Mapping {
  const names = [...file.tensors.keys()];
  const known = nameByConvention(network, names);
  const wanted = known ? namesUnder(network, known.naming) : null;
  const complete = wanted !== null && known?.names.size === wanted.size;
  const pairs = complete ? known.names : byFewNames(network, file, known);
  const used = new Set(pairs.values());
  const extra = names.filter((name) => !used.has(name) && !isBookkeeping(name, file));
  if (extra.length > 0) throw new Error(`${network.name} has no place for ${list(extra)}`);
  const assignments = layOut(network, file, pairs);
  const shapes = new Map(assignments.map(({ own, layout }) => [own, layout.shape]));
  const fitted = { network: fitNetwork(network, shapes), assignments };
  if (complete) return { ...fitted, by: namesOf(known.naming), naming: known.naming, notes: [] };
  const by = 'order and shape';
  const notes = [`tensors matched by ${known ? `${namesOf(known.naming)} and ` : ''}${by}`];
  return { ...fitted, by, naming: null, notes };
}

/** Names that are known by chance do not fit: then none of them counts. */
function byFewNames(network: Network, file: Tensors, known: Named | null): ReadonlyMap<string, string> {
  try {
    return byShape(network, file, known);
  } catch (error) {
    if (!known || known.naming === 'this project') throw error;
    try {
      return byShape(network, file, null);
    } catch {
      throw error;
    }
  }
}

const namesOf = (naming: Named['naming']): string =>
  naming === 'this project' ? "this project's names" : `${naming} names`;

export const list = (all: Iterable<string>): string => {
  const names = Array.from(all, (name) => `'${name.slice(0, 60)}'`);
  return names.slice(0, 4).join(', ') + (names.length > 4 ? ` and ${names.length - 4} more` : '');
};

/** Counters and the like that frameworks keep beside the weights. */
const isBookkeeping = (name: string, { tensors }: Tensors): boolean =>
  /num_batches_tracked$|global_step$/.test(name) && (tensors.get(name)?.shape.length ?? 1) === 0;

// ---- layouts --------------------------------------------------------------------------------------------

/** Runs over the layers with the shapes of their inputs; `choose` gives K of each layer that has weights. */
function walk(network: Network, choose: (layer: Weighted, x: Shape, before: Shape | null) => number): void {
  const known = new Map<string, Shape>([['input', [1, ...network.input]]]);
  const flattened = new Map<string, Shape>();
  for (const [index, layer] of network.layers.entries()) {
    const inputs = inputsOf(network, index);
    const shapes = inputs.map((name) => known.get(name) as Shape);
    let fitted: Layer = layer;
    if (layer.kind === 'conv2d' || layer.kind === 'linear') {
      fitted = { ...layer, channels: choose(layer, shapes[0], flattened.get(inputs[0]) ?? null) };
    }
    known.set(layer.name, layerShape(fitted, shapes));
    if (layer.kind === 'flatten') flattened.set(layer.name, shapes[0]);
    else if (layer.kind === 'dropout' && flattened.has(inputs[0])) {
      flattened.set(layer.name, flattened.get(inputs[0]) as Shape);
    }
  }
}

const shapeOf = ({ tensors }: Tensors, name: string): Shape => tensors.get(name)?.shape ?? [];

/**
 * The layout of every tensor of `pairs`, this project's names → the file's; widths follow from layer to layer. Throws
 * Error naming tensor and expected shape.
 */
export function layOut(network: Network, file: Tensors, pairs: ReadonlyMap<string, string>): Assignment[] {
  const assignments: Assignment[] = [];
  let native: Layout['axes'] | null = null;
  // a file that tells of some matrices tells of all
  const votes = file.inOut.size > 0 ? 0 : fullyConnected(network, file, pairs);
  walk(network, (layer, x, before) => {
    const own = `${layer.name}.weight`;
    const bias = `${layer.name}.bias`;
    const theirs = pairs.get(own);
    const theirBias = pairs.get(bias);
    if (theirs === undefined || theirBias === undefined) {
      throw new Error(`${theirs === undefined ? own : bias} is missing (${network.name} needs it)`);
    }
    const shape = shapeOf(file, theirs);
    const layouts = weightLayouts(layer, x, shape);
    if (layouts.length === 0) throw new Error(misfit(network, layer, x, theirs, shape));
    const inOut = file.inOut.has(theirs) || votes > 0 || (votes === 0 && native === 'HWIO');
    let layout = pick(layouts, inOut);
    if (layer.kind === 'conv2d') native ??= layout.axes;
    if (before && (file.mapsLast?.has(theirs) || (native === 'HWIO' && layout.axes === 'IO'))) {
      layout = { ...layout, flatten: before.slice(1) as [number, number, number] };
    }
    const K = layout.shape[0];
    const biasShape = shapeOf(file, theirBias);
    const vector = biasLayout(K, biasShape);
    if (!vector) {
      const due = `${bias} must be [${K}]`;
      throw new Error(`'${theirBias}' [${biasShape}] cannot belong to ${network.name}: ${due}`);
    }
    assignments.push({ own, theirs, layout }, { own: bias, theirs: theirBias, layout: vector });
    return K;
  });
  return assignments;
}

function misfit(network: Network, layer: Weighted, x: Shape, name: string, shape: Shape): string {
  const groups = layer.kind === 'conv2d' ? layer.attributes.groups : 1;
  const rest = layer.kind === 'conv2d' ? [x[1] / groups, ...layer.kernel] : [x[1]];
  const K = groups > 1 ? `K divisible by ${groups}` : 'K';
  return `'${name}' [${shape}] cannot belong to ${network.name}: ${layer.name}.weight must be [${K},${rest}]`;
}

/** Of two layouts that fit (a square matrix, or K like C), the one that the rest of the file has. */
const pick = (layouts: readonly Layout[], transposed: boolean): Layout =>
  layouts.find(({ axes }) => (axes === 'IO' || axes === 'HWIO') === transposed) ?? layouts[0];

/** How many more of the file's matrices that fit one way alone are (in, out) than (out, in). */
function fullyConnected(network: Network, file: Tensors, pairs: ReadonlyMap<string, string>): number {
  let votes = 0;
  const linear = network.layers.filter(({ kind }) => kind === 'linear');
  for (const { name } of linear) {
    const all = shapeOf(file, pairs.get(`${name}.weight`) ?? '');
    const shape = all.filter((extent, axis) => extent > 1 || axis > 1);
    const K = sizeOf(shapeOf(file, pairs.get(`${name}.bias`) ?? ''));
    if (shape.length === 2 && shape[0] !== shape[1]) votes += shape[1] === K ? 1 : shape[0] === K ? -1 : 0;
  }
  return votes;
}

// ---- matching by order and shape ------------------------------------------------------------------------

/** Most steps of the search for a matching. */
const MOST_STEPS = 20_000;

/**
 * This project's names → the file's, where `known` names too few: in the file's order, or in the order of
 * the names with numbers counted, if both agree or only one fits; else the only matching there is by
 * shapes.
 */
function byShape(network: Network, file: Tensors, known: Named | null): ReadonlyMap<string, string> {
  const layers = network.layers.filter(({ kind }) => kind === 'conv2d' || kind === 'linear') as Weighted[];
  const fixed = known?.names ?? new Map<string, string>();
  const taken = new Set(fixed.values());
  const rest = [...file.tensors.keys()].filter((name) => !taken.has(name) && !isBookkeeping(name, file));
  const missing = 2 * layers.length - fixed.size;
  if (known && fixed.size > layers.length && rest.length < missing) {
    const lacking = [...(namesUnder(network, known.naming) ?? [])].filter(([own]) => !fixed.has(own));
    const names = lacking.map(([, name]) => known.prefix + name);
    throw new Error(`${list(names)} missing (${network.name} needs it)`);
  }
  if (rest.length !== missing) {
    const there = [...fixed.values(), ...rest];
    const due = `${network.name} needs ${2 * layers.length} tensors`;
    throw new Error(`${due}, ${there.length} are there: ${list(there)}`);
  }
  const orders = [rest, [...rest].sort(new Intl.Collator('en', { numeric: true }).compare)];
  const fitting = new Map<string, ReadonlyMap<string, string>>();
  for (const order of orders) {
    const pairs = inOrder(layers, file, fixed, order);
    if (pairs && fits(network, file, pairs)) fitting.set([...pairs.values()].join('\n'), pairs);
  }
  if (fitting.size === 1) return [...fitting.values()][0];
  const all = fitting.size > 1 ? [...fitting.values()] : search(network, layers, file, fixed, rest);
  if (all.length === 1) return all[0];
  if (all.length === 0) throw new Error(`the tensors fit ${network.name} in no order: ${list(rest)}`);
  throw new Error(`ambiguous: ${choices(all)}; rename the tensors, or name them by their layers`);
}

function choices(all: readonly ReadonlyMap<string, string>[]): string {
  const [first, second] = all;
  const own = [...first.keys()].find((name) => first.get(name) !== second.get(name)) as string;
  return `${own} could be '${first.get(own)}' or '${second.get(own)}'`;
}

/** Weights and biases to the layers in the order given; null if they are not as many. */
function inOrder(
  layers: readonly Weighted[],
  file: Tensors,
  fixed: ReadonlyMap<string, string>,
  order: readonly string[],
): Map<string, string> | null {
  const flat = (name: string) => shapeOf(file, name).filter((extent) => extent !== 1).length <= 1;
  const weights = order.filter((name) => !flat(name));
  const biases = order.filter(flat);
  const pairs = new Map(fixed);
  for (const { name } of layers) {
    for (const part of ['weight', 'bias']) {
      const own = `${name}.${part}`;
      if (pairs.has(own)) continue;
      const next = (part === 'weight' ? weights : biases).shift();
      if (next === undefined) return null;
      pairs.set(own, next);
    }
  }
  return pairs;
}

function fits(network: Network, file: Tensors, pairs: ReadonlyMap<string, string>): boolean {
  try {
    layOut(network, file, pairs);
    return true;
  } catch {
    return false;
  }
}

/** What a tensor's name says about its layer: all but its last part. */
const stem = (name: string): string => name.replace(/[^./_:]*(?::\d+)?$/, '');

/** All matchings by shape, at most two; a bias must share its weight's stem where the stems tell. */
function search(
  network: Network,
  layers: readonly Weighted[],
  file: Tensors,
  fixed: ReadonlyMap<string, string>,
  rest: readonly string[],
): ReadonlyMap<string, string>[] {
  const found: ReadonlyMap<string, string>[] = [];
  const stems = new Set(rest.map(stem));
  const paired = stems.size * 2 === rest.length;
  let steps = 0;
  const place = (index: number, pairs: Map<string, string>): void => {
    if (found.length > 1 || ++steps > MOST_STEPS) return;
    if (index === layers.length) {
      if (fits(network, file, pairs)) found.push(new Map(pairs));
      return;
    }
    const { name } = layers[index];
    const used = new Set(pairs.values());
    const free = rest.filter((candidate) => !used.has(candidate));
    const known = fixed.get(`${name}.weight`);
    const knownBias = fixed.get(`${name}.bias`);
    for (const weight of known ? [known] : free) {
      if (shapeOf(file, weight).length < 2) continue;
      for (const bias of knownBias ? [knownBias] : free) {
        if (bias === weight || (paired && stem(bias) !== stem(weight) && !knownBias)) continue;
        const next = new Map(pairs).set(`${name}.weight`, weight).set(`${name}.bias`, bias);
        if (fits(upTo(network, name), file, next)) place(index + 1, next);
      }
    }
  };
  place(0, new Map());
  return found;
}

/** The network's layers up to that one. */
function upTo(network: Network, last: string): Network {
  const end = network.layers.findIndex(({ name }) => name === last);
  return { ...network, layers: network.layers.slice(0, end + 1) };
}
