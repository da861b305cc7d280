/**
 * Pickles that are not PyTorch's: Guerzhoy's bvlc_alexnet.npy, {'conv1': [W, b], …} with HWIO and (in, out)
 * arrays in an object array, and cuda-convnet's checkpoints, {'model_state': {'layers': {name: {'weights':
 * [...], 'biases': …}}}}.
 *
 * Only the arrays are brought out, under 'conv1/0', 'conv1/1'; what their axes mean is lib/weights' business.
 */
import type { LazyValue } from '../array/value.ts';
import { refusal, unpickle } from './pickle.ts';
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
    throw bad(source, 'an array of Python objects that is no dictionary of weights');
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
export interface CudaLayer {
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
  throw bad(source, refusal(unknown) ?? 'a pickle that holds no known weights');
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
