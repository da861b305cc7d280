/**
 * Why a layer is wrong: which of the known mistakes (wrong/) would make the device's values what they are.
 */

import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { type Mutant, mutants } from './wrong/index.ts';
import type { Call } from './wrong/tools.ts';

/** A mistake explains a result if all but a thousandth of the values are its own. */
const EXPLAINED = 0.999;
/** Values agree with a mistake within the right result's bound, or to these fractions of themselves and of their rms. */
const [OF_ITSELF, OF_ALL] = [2 ** -14, 2 ** -18];

export interface Explanation {
  /** Names of the mistakes that make the device's values, best first; several may make the same ones. */
  readonly matches: readonly string[];
  /** How many mistakes were tried, of how many are known for this operation: the time may have run out. */
  readonly tried: number;
  readonly known: number;
}

/**
 * The mistakes that turn `inputs` into `y`. `bound` is the right result's, by element. Stops after `seconds`; each mistake
 * is computed over the first image alone.
 */
export function explain(
  layer: Layer,
  inputs: readonly Tensor[],
  y: Tensor,
  weights: Weights,
  bound: Float64Array,
  seconds = 20,
): Explanation {
  const call = callOf(layer, inputs.map(firstImage), weights);
  const device = firstImage(y);
  const known = mutants.filter(({ operation }) => operation === layer.kind);
  const until = Date.now() + 1000 * seconds;
  const shares = new Map<string, number>();
  for (const mutant of known) {
    if (Date.now() > until) break;
    shares.set(mutant.name, share(mutant, call, device, bound));
  }
  const matches = [...shares].filter(([, s]) => s >= EXPLAINED).sort(([, a], [, b]) => b - a);
  return { matches: matches.map(([name]) => name), tried: shares.size, known: known.length };
}

/** The share of the device's values that a mistake would make; 0 where it makes no sense here. */
function share(mutant: Mutant, call: Call, device: Tensor, bound: Float64Array): number {
  let wrong: Tensor;
  try {
    wrong = mutant.run(call);
  } catch {
    return 0;
  }
  if (wrong.shape.join() !== device.shape.join()) return 0;
  const [W, Y] = [dense(wrong), dense(device)];
  const floor = OF_ALL * rms(W);
  let same = 0;
  for (let i = 0; i < Y.length; i++) {
    const close = Math.abs(W[i] - Y[i]) <= bound[i] + OF_ITSELF * Math.abs(W[i]) + floor;
    if (close || (Number.isNaN(W[i]) && Number.isNaN(Y[i]))) same++;
  }
  return same / Y.length;
}

function rms(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number.isFinite(values[i]) ? values[i] * values[i] : 0;
  return Math.sqrt(sum / Math.max(1, values.length));
}

/** A layer's call under the names that the mistakes know: x, w, b; x0, x1 … of concat. */
export function callOf(layer: Layer, inputs: readonly Tensor[], weights: Weights): Call {
  const attributes = 'attributes' in layer ? layer.attributes : {};
  if (layer.kind === 'concat') {
    return { attributes, inputs: Object.fromEntries(inputs.map((x, i) => [`x${i}`, x])) };
  }
  const w = weights.get(`${layer.name}.weight`);
  const b = weights.get(`${layer.name}.bias`);
  return { attributes, inputs: { x: inputs[0], ...(w && { w }), ...(b && { b }) } };
}

function firstImage(t: Tensor): Tensor {
  const [, ...rest] = t.shape;
  const size = rest.reduce((product, extent) => product * extent, 1);
  return tensor(dense(t).subarray(0, size), [1, ...rest]);
}
