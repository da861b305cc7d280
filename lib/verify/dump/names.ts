/** Whose value is whose: the names that a dump has for its values, brought to those that are judged. */
import type { Layer, Network } from '../../../reference/networks/layers.ts';
import { isFloat } from '../../array/dtype.ts';
import { widen } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import type { Graph } from '../../onnx/model.ts';
import { sameBits } from '../rows.ts';
import type { Dump } from './read.ts';

/** What names mean; of several tables the first that knows a name counts. */
type Aliases = readonly ReadonlyMap<string, string>[];

interface NamedDump {
  /** The dump's name by ours. */
  readonly names: ReadonlyMap<string, string>;
  /** What belongs to nothing, with what it may have meant, a line each. */
  readonly unmatched: readonly string[];
}

/**
 * The dump's names by ours. `own` are the names that are judged, `given` what --names says. Throws InputError where
 * two different values would be one, where a given name does not exist, and where no value is anything.
 */
export function nameDump(
  dump: Dump,
  own: readonly string[],
  aliases: Aliases,
  given: ReadonlyMap<string, string> = new Map(),
): NamedDump {
  const found = [...dump.keys()];
  for (const [theirs, ours] of given) {
    if (!found.includes(theirs))
      throw new InputError(`--names: the values have no '${theirs}'${nearestText(theirs, found)}`);
    if (!own.includes(ours)) throw new InputError(`--names: there is no '${ours}'${nearestText(ours, own)}`);
  }
  const tables = [given, ...aliases];
  const meaning = (name: string): string | undefined =>
    tables.find((table) => table.has(name))?.get(name) ?? undefined;
  const names = new Map<string, string>();
  const unmatched: string[] = [];
  for (const name of found) {
    const ours = [name, ...bare(name)].map(meaning).find((one) => one !== undefined);
    if (ours === undefined) {
      unmatched.push(`not compared: '${name}'${nearestText(name, own)}`);
      continue;
    }
    const before = names.get(ours);
    // OpenCV ends in a layer that repeats the last node's values
    if (before !== undefined && sameBits(dump.get(before)!, dump.get(name))) continue;
    if (before !== undefined)
      throw new InputError(
        `'${before}' and '${name}' are both ${ours}, with different values: leave one out, or say which in --names`,
      );
    names.set(ours, name);
  }
  if (names.size === 0)
    throw new InputError(`no value has a name that is known: ${unmatched.slice(0, 5).join('; ')}`);
  return { names, unmatched };
}

/** The name without what engines put around it: OpenCV's 'onnx_node!', a wrapper's 'module.', TensorFlow's ':0'. */
function bare(name: string): string[] {
  const stripped = name
    .replace(/^onnx_node(?:_output_\d+)?!/, '')
    .replace(/^(?:module|model)\./, '')
    .replace(/:0$/, '');
  return stripped === name ? [] : [stripped];
}

/** PyTorch's names where a network is two sequences of modules, as torchvision's is: features.0 …, classifier.6. */
export function torchNames({ layers }: Network): Map<string, string> {
  const flat = layers.findIndex(({ kind }) => kind === 'flatten' || kind === 'linear');
  const features = layers.slice(0, flat).filter(({ kind }) => kind !== 'adaptiveavgpool');
  const classifier = layers.slice(flat).filter(({ kind }) => kind !== 'flatten');
  const pool = layers.find(({ kind }) => kind === 'adaptiveavgpool');
  const sequence = (name: string, of: readonly Layer[]) =>
    of.map((layer, i) => [`${name}.${i}`, layer.name] as const);
  return new Map([
    ...sequence('features', features),
    ...(pool ? [['avgpool', pool.name] as const] : []),
    ...sequence('classifier', classifier),
  ]);
}

/** Names for what --graph judges: PyTorch's `conv1.weight.grad`, a saved `step1/conv1.weight`, modules as above. */
export function gradientNames(network: Network): Map<string, string> {
  const names = new Map<string, string>();
  const torch = torchNames(network);
  const modules = [...torch, ...network.layers.map(({ name }) => [name, name] as const)];
  for (const [module, layer] of modules) {
    names.set(module, layer);
    for (const parameter of ['weight', 'bias']) {
      const own = `${layer}.${parameter}`;
      names.set(`${module}.${parameter}.grad`, `d${own}`).set(`step1/d${own}`, `d${own}`);
      names.set(`step1/${own}`, `${own}.next`).set(`step1/${own}.velocity`, `${own}.velocity.next`);
    }
  }
  return names;
}

/**
 * A value that was overwritten in place: that of a layer with weights, without the activation's behind it, and nothing
 * in it that the activation would change. It is the activation's (Caffe's blobs, hooks that do not copy).
 */
export function inPlace({ layers }: Network, names: ReadonlyMap<string, string>, dump: Dump) {
  const moved = new Map(names);
  const notes: string[] = [];
  for (const [at, { name, kind }] of layers.entries()) {
    const next = layers[at + 1];
    const theirs = names.get(name);
    if (theirs === undefined || next?.kind !== 'relu') continue;
    if ((kind !== 'conv2d' && kind !== 'linear') || (next.inputs && next.inputs.join() !== name)) continue;
    const value = dump.get(theirs)!;
    const after = names.get(next.name);
    if (after !== undefined) {
      if (sameBits(value, dump.get(after)))
        notes.push(
          `'${theirs}' and '${after}' are the same: one that works in place wrote over what was not copied`,
        );
      continue;
    }
    if (!isFloat(value.dtype) || !widen(value).every((v: number) => v >= 0)) continue;
    moved.delete(name);
    moved.set(next.name, theirs);
    notes.push(
      `'${theirs}' is taken for ${next.name}: nothing in it is below 0, and there is no other ${next.name}`,
    );
  }
  return { names: moved, notes };
}

/** A model's nodes by their names, for engines that call values so: the first output's, as `values` knows it. */
export function nodeNames({ nodes }: Graph, values: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(
    nodes.flatMap(({ name, outputs: [output] }) =>
      name !== '' && values.has(output) ? [[name, values.get(output)!] as const] : [],
    ),
  );
}

const NEAREST = 2;

/** ' (nearest: conv1, conv2)', '' where nothing is near. */
function nearestText(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, far: distance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, far }) => far < Math.max(name.length, candidate.length))
    .sort((a, b) => a.far - b.far)
    .slice(0, NEAREST)
    .map(({ candidate }) => candidate);
  return near.length > 0 ? ` (nearest: ${near.join(', ')})` : '';
}

/** Edits between two words (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1]));
    row = next;
  }
  return row[b.length];
}
