/**
 * Why a layer is wrong: which of the known mistakes (wrong/) would make the device's values what they are.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { cast, dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { distance } from './judge.ts';
import { type Mutant, mutants } from './mistakes/index.ts';
import type { NamedCall } from './mistakes/tools.ts';

/** A mistake explains a result if all but a thousandth of the values are its own. */
const EXPLAINED = 0.999;
/**
 * Values agree with a mistake within the right result's bound, or to these fractions of themselves and of
 * their rms.
 */
const [OF_ITSELF, OF_ALL] = [2 ** -14, 2 ** -18];

export interface Explanation {
  /** Names of the mistakes that make the device's values, best first; several may make the same ones. */
  readonly matches: readonly string[];
  /** How many mistakes were tried, of how many are known for this operation: the time may have run out. */
  readonly tried: number;
  readonly known: number;
}

/** A layer's values on the device and the oracle's, ŷ, with the right result's bound by element. */
export interface Suspect {
  readonly y: Tensor;
  readonly exact: Tensor;
  readonly bound: Float64Array;
}

/**
 * The mistakes that turn `inputs` into what the device made of them. Looks at two images, the one with the
 * worst element (`image`) among them, so that mistakes along the batch show. Stops after `seconds`.
 */
export function explain(
  layer: Layer,
  inputs: readonly Tensor[],
  { y, exact, bound }: Suspect,
  weights: Weights,
  image: number,
  seconds = 20,
): Explanation {
  const images = y.shape[0] === 1 ? [0] : [...new Set([0, Math.max(1, image)])];
  const pick = (t: Tensor): Tensor => imagesOf(t, images);
  const call = callOf(layer, inputs.map(pick), weights);
  const limits = dense(pick(tensor(bound, y.shape)));
  const suspect = { y: pick(y), exact: pick(exact), bound: Float64Array.from(limits) };
  const known = mutants.filter(({ operation }) => operation === layer.kind);
  const until = Date.now() + 1000 * seconds;
  const shares = new Map<string, number>();
  for (const mutant of known) {
    if (Date.now() > until) break;
    shares.set(mutant.name, share(mutant, call, suspect));
  }
  const matches = [...shares].filter(([, s]) => s >= EXPLAINED).sort(([, a], [, b]) => b - a);
  return { matches: matches.map(([name]) => name), tried: shares.size, known: known.length };
}

/** The share of the device's values that a mistake would make; 0 where it makes no sense here, or comes no nearer. */
function share(mutant: Mutant, call: NamedCall, { y, exact, bound }: Suspect): number {
  let wrong: Tensor;
  try {
    wrong = mutant.run(call);
  } catch {
    return 0;
  }
  if (wrong.shape.join() !== y.shape.join()) return 0;
  // float32, so that what overflows on a device overflows here
  const [W, Y] = [dense(cast(wrong, 'float32')), dense(y)];
  if (!nearer(W, Y, dense(cast(exact, 'float32')))) return 0;
  const floor = OF_ALL * rms(W);
  let same = 0;
  for (let i = 0; i < Y.length; i++) {
    const off = distance(W[i], Y[i]);
    if (off === 0 || (Number.isFinite(off) && off <= bound[i] + OF_ITSELF * Math.abs(W[i]) + floor)) same++;
  }
  return same / Y.length;
}

/**
 * Whether W leaves at most half of Y's distance from the right E, and no more NaN or infinity unexplained: a
 * mistake that changes nothing here would else explain a single wrong value, for all the others are right.
 */
function nearer(W: ArrayLike<number>, Y: ArrayLike<number>, E: ArrayLike<number>): boolean {
  let [left, before, infinite, infiniteBefore] = [0, 0, 0, 0];
  for (let i = 0; i < Y.length; i++) {
    const [now, then] = [distance(Y[i], W[i]), distance(Y[i], E[i])];
    if (now === Number.POSITIVE_INFINITY) infinite++;
    else left += now * now;
    if (then === Number.POSITIVE_INFINITY) infiniteBefore++;
    else before += then * then;
  }
  return infinite < infiniteBefore || (infinite === infiniteBefore && before > 0 && left <= before / 4);
}

function rms(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number.isFinite(values[i]) ? values[i] * values[i] : 0;
  return Math.sqrt(sum / Math.max(1, values.length));
}

/** A layer's call under the names that the mistakes know: x, w, b; x0, x1 … of concat. */
export function callOf(layer: Layer, inputs: readonly Tensor[], weights: Weights): NamedCall {
  const attributes = 'attributes' in layer ? layer.attributes : {};
  if (layer.kind === 'concat') {
    return { attributes, inputs: Object.fromEntries(inputs.map((x, i) => [`x${i}`, x])) };
  }
  const w = weights.get(`${layer.name}.weight`);
  const b = weights.get(`${layer.name}.bias`);
  return { attributes, inputs: { x: inputs[0], ...(w && { w }), ...(b && { b }) } };
}

/** Some images of a batch, copied. */
function imagesOf(t: Tensor, images: readonly number[]): Tensor {
  const [N, ...rest] = t.shape;
  const all = dense(t);
  const size = all.length / N;
  const data = new Float64Array(images.length * size);
  for (const [at, n] of images.entries()) data.set(all.subarray(n * size, (n + 1) * size), at * size);
  return tensor(data, [images.length, ...rest]);
}
