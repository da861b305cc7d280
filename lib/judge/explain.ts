/**
 * Why a layer is wrong: which of the known mistakes (mistakes/) would make the device's values what they are.
 */
import { operandsOf } from '../../reference/oracle.ts';
import { cast, dense, type Tensor, tensor } from '../../reference/tensor.ts';
import type { LayerCall } from '../bounds/bounds.ts';
import { distance } from './judge.ts';
import { type Mutant, mutants } from './mistakes/index.ts';
import type { NamedCall } from './mistakes/tools.ts';

/** A mistake explains a result if all but a thousandth of the values are its own. */
const EXPLAINED = 0.999;
/**
 * Values agree with a mistake within the right result's bound, or to these fractions of themselves and of
 * their rms.
 */
const OF_ITSELF = 2 ** -14;
const OF_ALL = 2 ** -18;

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
export function explanationOf(
  { inputs, ...of }: LayerCall,
  { y, exact, bound }: Suspect,
  image: number,
  seconds = 20,
): Explanation {
  const images = y.shape[0] === 1 ? [0] : [...new Set([0, Math.max(1, image)])];
  const pick = (t: Tensor): Tensor => imagesOf(t, images);
  const call = namedCallOf({ ...of, inputs: inputs.map(pick) });
  const limits = dense(pick(tensor(bound, y.shape))) as Float64Array;
  const suspect = { y: pick(y), exact: pick(exact), bound: limits };
  const known = mutants.filter(({ operation }) => operation === of.layer.kind);
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
  const W = dense(cast(wrong, 'float32'));
  const Y = dense(y);
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
 * mistake that changes nothing here must not explain a single wrong value because all the others are right.
 */
function nearer(W: ArrayLike<number>, Y: ArrayLike<number>, E: ArrayLike<number>): boolean {
  const now = apart(Y, W);
  const before = apart(Y, E);
  if (now.infinite !== before.infinite) return now.infinite < before.infinite;
  return before.squares > 0 && now.squares <= before.squares / 4;
}

/** Σ of the squares of finite distances, and the number of infinite ones. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): { squares: number; infinite: number } {
  let squares = 0;
  let infinite = 0;
  for (let i = 0; i < a.length; i++) {
    const off = distance(a[i], b[i]);
    if (off === Number.POSITIVE_INFINITY) infinite++;
    else squares += off * off;
  }
  return { squares, infinite };
}

function rms(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Number.isFinite(values[i]) ? values[i] * values[i] : 0;
  return Math.sqrt(sum / Math.max(1, values.length));
}

/** A layer's call under the names that the mistakes know: x, w, b; x0, x1 … of concat. */
export function namedCallOf({ layer, inputs, weights, maps }: LayerCall): NamedCall {
  const names = layer.kind === 'concat' ? inputs.map((_, i) => `x${i}`) : ['x', 'w', 'b'];
  const operands = operandsOf(layer, inputs, weights).map((t, i) => [names[i], t]);
  return {
    attributes: { ...layer.attributes, ...(maps ? { maps } : {}) },
    inputs: Object.fromEntries(operands),
  };
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
