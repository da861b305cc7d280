/**
 * The chain rule over a network's list of layers, last to first. A value's gradient is the sum of
 * what its readers hand back, added in the order of the layers.
 */
import type { Network } from '../reference/networks/layers.ts';
import { inputsOf } from '../reference/oracle.ts';
import { emitters } from './emitters.ts';
import type { GraphBuilder } from './graph.ts';

/**
 * Adds d<value> for every value that has a parameter of `learned` (or, where `dinput`, the input) above it, and
 * d<parameter> for every wanted one. The gradient of the last of `network`'s layers must be there as d<layer>.
 */
export function emitGradients(
  g: GraphBuilder,
  network: Network,
  wants: (parameter: string) => boolean,
  dinput: boolean,
  learned: (parameter: string) => boolean = wants,
): void {
  const needed = valuesNeedingGradients(network, learned, dinput);
  const readers = readersOf(network);
  for (let index = network.layers.length - 1; index >= 0; index--) {
    const layer = network.layers[index];
    if (!needed.has(layer.name)) continue;
    const inputs = inputsOf(network, index);
    const dx = inputs.map((value, i) => (needed.has(value) ? partName(readers, value, index, i) : null));
    emitters[layer.kind].backward(g, layer, { inputs, y: layer.name, dy: `d${layer.name}`, dx, wants });
    for (const value of new Set(inputs)) if (needed.has(value)) addParts(g, readers, value, index);
  }
}

const owns = (layer: string, learned: (parameter: string) => boolean): boolean =>
  learned(`${layer}.weight`) || learned(`${layer}.bias`);

/** The values whose gradients are needed for a learned parameter further up, or for the input. */
function valuesNeedingGradients(
  network: Network,
  learned: (parameter: string) => boolean,
  dinput: boolean,
): ReadonlySet<string> {
  const needed = new Set<string>(dinput ? ['input'] : []);
  for (const [index, layer] of network.layers.entries()) {
    const above = inputsOf(network, index).some((value) => needed.has(value));
    if (above || owns(layer.name, learned)) needed.add(layer.name);
  }
  return needed;
}

/** Every place where a value is read: [layer, input] in the order of the layers. */
function readersOf(network: Network): ReadonlyMap<string, readonly (readonly [number, number])[]> {
  const readers = new Map<string, [number, number][]>();
  for (const index of network.layers.keys()) {
    for (const [i, value] of inputsOf(network, index).entries()) {
      readers.set(value, [...(readers.get(value) ?? []), [index, i]]);
    }
  }
  return readers;
}

type Readers = ReturnType<typeof readersOf>;

/** d<value> where it is read once, else one name for each reader. */
function partName(readers: Readers, value: string, index: number, i: number): string {
  const all = readers.get(value)!;
  return all.length === 1
    ? `d${value}`
    : `d${value}/from${all.findIndex(([a, b]) => a === index && b === i)}`;
}

/** Once the first reader's part is there, all are: their sum is the gradient. */
function addParts(g: GraphBuilder, readers: Readers, value: string, index: number): void {
  const all = readers.get(value)!;
  if (all.length === 1 || all[0][0] !== index) return;
  let sum = `d${value}/from0`;
  for (let i = 1; i < all.length; i++) {
    const name = i === all.length - 1 ? `d${value}` : `d${value}/sum${i}`;
    sum = g.node('Add', [sum, `d${value}/from${i}`], name);
  }
}
