/**
 * Pickles that are not PyTorch's: Guerzhoy's bvlc_alexnet.npy, {'conv1': [W, b], …} with HWIO and (in, out)
 * arrays in an object array, and cuda-convnet's checkpoints, {'model_state': {'layers': {name: {'weights':
 * [...], 'biases': …}}}}.
 *
 * Only the arrays are brought out, under 'conv1/0', 'conv1/1'; what their axes mean is lib/weights' business.
 */

import type { Storage } from '../../reference/tensor.ts';
import { zerosOf } from '../array/dtype.ts';
import { floatValue, type LazyValue, widen } from '../array/value.ts';
import { unpickle, whyRefused } from './pickle.ts';
import { plainGlobals } from './pickle-globals.ts';
import { arrayOf } from './pickle-numpy.ts';
import type { PickleValue } from './pickle-value.ts';
import { bad, type Source } from './source.ts';

/** {'conv1': [W, b]} in a .npy of objects. Throws InputError. */
export function openObjectNpy(source: Source, pickle: Source): ReadonlyMap<string, LazyValue> {
  const { value } = unpickle(pickle, plainGlobals);
  const { objects = [] } = arrayOf(value);
  const [dict] = objects;
  if (objects.length !== 1 || !(dict instanceof Map))
    throw bad(source, 'an array of Python objects that is not a dictionary of weights');
  const arrays = arraysIn(dict);
  if (arrays.size === 0) throw bad(source, 'the dictionary in it holds no arrays');
  return arrays;
}

/** The arrays in a dictionary: {'conv1.weight': W}, {'conv1': [W, b]}, {'conv1': {'weight': W, 'bias': b}}. */
function arraysIn(dict: Map<PickleValue, PickleValue>): ReadonlyMap<string, LazyValue> {
  const arrays = new Map<string, LazyValue>();
  const add = (name: string, item: PickleValue) => {
    const { array } = arrayOf(item);
    if (array) arrays.set(name, array);
  };
  for (const [layer, entry] of dict) {
    add(String(layer), entry);
    const parts = entry instanceof Map || Array.isArray(entry) ? entry.entries() : [];
    for (const [part, item] of parts) add(`${String(layer)}/${String(part)}`, item);
  }
  return arrays;
}

/** One layer of a cuda-convnet checkpoint. */
interface CudaLayer {
  readonly name: string;
  /** A matrix (in, out) for every input. */
  readonly weights: readonly LazyValue[];
  readonly biases: LazyValue;
  /** Names of the layers that it reads, as far as the file tells. */
  readonly inputs: readonly string[];
}

/**
 * The layers with weights of a cuda-convnet checkpoint, in its own order; else a dictionary's arrays.
 * Throws InputError.
 */
export function readPickle(source: Source): { layers: CudaLayer[]; arrays?: ReadonlyMap<string, LazyValue> } {
  const { value, unknown } = unpickle(source, plainGlobals);
  const state = value instanceof Map ? (value.get('model_state') ?? value) : null;
  const layers = state instanceof Map ? state.get('layers') : null;
  if (layers !== null && layers !== undefined) return { layers: layersIn(source, layers) };
  const arrays = value instanceof Map ? arraysIn(value) : new Map();
  if (arrays.size > 0) return { layers: [], arrays };
  throw bad(source, whyRefused(unknown) ?? 'a pickle that holds no known weights');
}

function layersIn(source: Source, layers: PickleValue): CudaLayer[] {
  const all = [...named(layers)];
  const found: CudaLayer[] = [];
  for (const [name, layer] of all) {
    const blocks = layer.get('weights');
    const weights = (Array.isArray(blocks) ? blocks : [blocks]).flatMap((item) => arrayOf(item).array ?? []);
    const biases = arrayOf(layer.get('biases')).array;
    if (weights.length > 0 && biases) found.push({ name, weights, biases, inputs: inputNames(layer, all) });
  }
  if (found.length === 0) throw bad(source, 'a cuda-convnet checkpoint without weights');
  return found;
}

/** 'inputs' holds names, or numbers of layers. */
function inputNames(layer: Map<PickleValue, PickleValue>, all: readonly [string, unknown][]): string[] {
  const inputs = layer.get('inputs');
  if (!Array.isArray(inputs)) return [];
  return inputs.map((input) => (typeof input === 'number' ? (all[input]?.[0] ?? '') : String(input)));
}

/** Layers by name: a dictionary in cuda-convnet 2, a list of dictionaries with 'name' in the first. */
function* named(layers: PickleValue): Generator<[string, Map<PickleValue, PickleValue>]> {
  const entries = layers instanceof Map ? layers.entries() : Array.isArray(layers) ? layers.entries() : [];
  for (const [key, layer] of entries) {
    if (layer instanceof Map) yield [String(layer.get('name') ?? key), layer];
  }
}

// ---- cuda-convnet's layers as one net: towers a and b become groups. Each layer has a weight matrix (in, out) for
// every input. The inputs' rows are stacked in the order of the towers that they come from, which may differ from the
// order in the file (configuration 145's second fully connected layer of tower b lists b before a: layers-145.cfg,
// fc2048bb); then the columns of tower a come before those of tower b.

/** 'conv1a' → 'conv1' where there is a 'conv1b' too; any other name stays. */
function baseOf(name: string, all: ReadonlySet<string>): string {
  const base = name.slice(0, -1);
  const twin = name.endsWith('a') ? `${base}b` : name.endsWith('b') ? `${base}a` : '';
  return all.has(twin) ? base : name;
}

/**
 * '<layer>/0' (in, out) and '<layer>/1' as if there were no towers, values unread. Throws Error, naming the layer,
 * where the blocks do not fit together.
 */
export function mergeTowers(layers: readonly CudaLayer[]) {
  const names = new Set(layers.map(({ name }) => name));
  const bases = new Map<string, CudaLayer[]>();
  for (const layer of layers) {
    const base = baseOf(layer.name, names);
    bases.set(base, [...(bases.get(base) ?? []), layer]);
  }
  const tensors = new Map<string, LazyValue>();
  const notes: string[] = [];
  for (const [base, towers] of bases) {
    towers.sort((a, b) => (a.name < b.name ? -1 : 1));
    const columns = towers.map((layer) => rows(layer, notes));
    const biases = towers.map((layer) => row(layer.biases));
    tensors.set(`${base}/0`, join(base, columns, 1)).set(`${base}/1`, join(base, biases, 1));
    if (towers.length > 1) notes.push(`${base}: towers ${towers.map(({ name }) => name).join(', ')} joined`);
  }
  return { tensors, notes };
}

/** A layer's weight blocks stacked, those from tower a first. */
function rows(layer: CudaLayer, notes: string[]): LazyValue {
  const { name, weights, inputs } = layer;
  if (weights.length === 1) return weights[0];
  const order = weights.map((_, index) => index);
  const tower = (index: number) => /[ab]$/.exec(inputs[index] ?? '')?.[0] ?? '';
  order.sort((a, b) => (tower(a) < tower(b) ? -1 : tower(a) > tower(b) ? 1 : a - b));
  if (order.some((place, index) => place !== index)) {
    const there = inputs.join(', ');
    notes.push(`${name}: its inputs are ${there} in the file; brought to the order of the towers`);
  }
  const stacked = order.map((index) => weights[index]);
  return join(name, stacked, 0);
}

/** (1, K), whatever the file's shape of a bias. */
function row(biases: LazyValue): LazyValue {
  const shape = [1, biases.shape.reduce((a, b) => a * b, 1)];
  return { ...biases, shape, read: () => ({ ...biases.read(), shape }) };
}

/** Matrices joined along an axis. */
function join(name: string, blocks: readonly LazyValue[], axis: 0 | 1): LazyValue {
  if (blocks.length === 1) return blocks[0];
  const other = 1 - axis;
  if (blocks.some(({ shape }) => shape.length !== 2 || shape[other] !== blocks[0].shape[other])) {
    const shapes = blocks.map(({ shape }) => `[${shape}]`).join(' ');
    throw new Error(`${name}: blocks of shapes ${shapes} do not fit`);
  }
  const total = blocks.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = axis === 0 ? [total, blocks[0].shape[1]] : [blocks[0].shape[0], total];
  const dtype = blocks.every((block) => block.dtype !== 'float64') ? 'float32' : 'float64';
  const read = () => {
    const data = zerosOf(dtype, shape[0] * shape[1]) as Storage;
    let start = 0;
    for (const block of blocks) {
      const [R, K] = block.shape;
      const values = widen(block.read());
      for (let r = 0; r < R; r++) data.set(values.subarray(r * K, (r + 1) * K), start + r * shape[1]);
      start += axis === 0 ? R * K : K;
    }
    return floatValue(data, shape);
  };
  return { dtype, shape, read };
}
