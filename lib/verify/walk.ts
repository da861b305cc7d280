/**
 * A network of which only some values are there. A layer that is missing is walked through: the oracle computes it
 * from the last values that are known, and what a right device may have made of it until then
 * (lib/bounds/carried.ts) comes to the bounds of the next value that is there.
 */
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../reference/oracle.ts';
import { map, tensor } from '../../reference/tensor.ts';
import type { BoundsContext, Judged, LayerCall } from '../bounds/bounds.ts';
import { type Doubt, doubtOf, judgedInDoubt } from '../bounds/carried.ts';
import { tensorOf, type Values } from './subject.ts';

export interface Known {
  /** Whether the value is there to be read. */
  readonly has: (name: string) => boolean;
  /** Largest relative error of how it is stored, beyond what the context of its layer says; 0 for float32. */
  readonly stored: (name: string) => number;
  /** Where the input is not there either: what is known of it. */
  readonly input?: (values: Values) => Judged;
}

/** Walks one run: what is missing is computed once. */
export function walkThrough(
  network: Network,
  weights: Weights,
  contextOf: (layer: Layer) => BoundsContext,
  { has, stored, input }: Known,
) {
  const kept = new Map<string, ReturnType<typeof reach>>();
  const at = new Map(network.layers.map(({ name }, index) => [name, index]));
  const readBy = (layer: Layer): readonly string[] => inputsOf(network, at.get(layer.name)!);
  const isKnown = (name: string): boolean => (name === 'input' && !input) || has(name);

  /** A value as the device had it, or what takes its place. */
  function reach(name: string, values: Values): Pick<Judged, 'exact'> & { readonly doubt?: Doubt } {
    const known = kept.get(name);
    if (known) return known;
    const found = isKnown(name) ? asStored(name, values) : inPlaceOf(name, values);
    kept.set(name, found);
    return found;
  }

  function asStored(name: string, values: Values) {
    const exact = tensorOf(values(name));
    const u = stored(name);
    if (u === 0) return { exact };
    const off = map(exact, (v) => (u / (1 - u)) * Math.abs(v));
    return { exact, doubt: { bound: off, deviation: off } };
  }

  function inPlaceOf(name: string, values: Values) {
    if (name === 'input' && input) {
      const { exact, bounds } = input(values);
      const bound = tensor(bounds.bound, exact.shape);
      return { exact, doubt: { bound, deviation: bound } };
    }
    const layer = network.layers[at.get(name)!];
    const judged = judge(layer, values);
    return { exact: judged.exact, doubt: doubtOf(judged, contextOf(layer)) };
  }

  function callOf(layer: Layer, values: Values): { call: LayerCall; doubts: (Doubt | undefined)[] } {
    const inputs = readBy(layer).map((name) => reach(name, values));
    const call = { layer, inputs: inputs.map(({ exact }) => exact), weights };
    return { call, doubts: inputs.map(({ doubt }) => doubt) };
  }

  function judge(layer: Layer, values: Values): Judged {
    const { call, doubts } = callOf(layer, values);
    return judgedInDoubt(call, doubts, contextOf(layer), stored(layer.name));
  }

  return { judge, callOf, reach };
}

/** What a layer reads: the values that are there, and the missing layers between them and it, in order. */
export function readsOf(network: Network, layer: Layer, { has }: Pick<Known, 'has'>) {
  const sources = new Set<string>();
  const missing = new Set<string>();
  const look = (at: number): void => {
    for (const name of inputsOf(network, at)) {
      if (name === 'input' || has(name)) sources.add(name);
      else {
        look(network.layers.findIndex((one) => one.name === name));
        missing.add(name);
      }
    }
  };
  look(network.layers.indexOf(layer));
  return { sources: [...sources], missing: [...missing] };
}
