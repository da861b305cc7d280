/** How far a right device may be off in grey levels that are averaged along one axis (reference/input/pixels.ts). */
import { eachAverage } from '../../reference/input/pixels.ts';
import { dense, type Shape, sizeOf, type Tensor, tensor } from '../../reference/tensor.ts';
import { type DeviceArithmetic, gamma } from './arithmetic.ts';
import type { Judged } from './bounds.ts';
import { MOVED } from './carried.ts';

/**
 * The level next to ŷ = Σwx/Σw, the average of x (N,H,W,3) along `axis`, and which others a device may round to: those
 * next to anything within s of ŷ. That is none, or one where ŷ lies within s of half a level. d is the device's
 * division in units of u, `doubts` is how far x may be off itself.
 *
 * - a centre c is (i + ½) divided by a rounded scale, less ½ and plus ½: (2d + 2)·c·u. A weight 1 − |t + ½ − c|/r,
 *   r the support, has of that (2d + 2)·c/r, of its differences 2(r + 1)/r ≤ 4, of 1/r, the product and 1 − … 3d + 2:
 *   ε = γ_{(2d+2)c/r + 3d + 6}. It may be 0 where it should be up to ε, or up to ε in the pixel beside the window.
 * - weights that are off by ε each move ŷ by Σε|x − ŷ|/(Σw − nε) at most, as Σ(w + ε)(x − ŷ) = Σε(x − ŷ)
 * - Σw, its reciprocal, the products and their sum in float32: γ_{2n+3}·ŷ; weights in fixed point of 22 bits: Σx·2⁻²³
 */
export function averaged(
  x: Tensor,
  doubts: Tensor,
  axis: 1 | 2,
  length: number,
  { divide }: DeviceArithmetic,
): Judged {
  const input = x.shape[axis];
  const X = dense(x);
  const S = dense(doubts);
  if (input === length) return { exact: x, bounds: { bound: new Float64Array(S) } };
  const shape: Shape = x.shape.map((extent, at) => (at === axis ? length : extent));
  const levels = new Float64Array(sizeOf(shape));
  const bound = new Float64Array(levels.length);
  eachAverage(x.shape, axis, length, ({ first, weights, sum, centre, support }, from, stride, to) => {
    let average = 0;
    let carried = 0;
    for (const [t, weight] of weights.entries()) {
      average += weight * X[from + (first + t) * stride];
      carried += weight * S[from + (first + t) * stride];
    }
    const epsilon = gamma(((2 * divide + 2) * centre) / support + 3 * divide + 6);
    const last = Math.min(first + weights.length, input - 1);
    let apart = 0;
    let total = 0;
    let n = 0;
    for (let t = Math.max(first - 1, 0); t <= last; t++, n++) {
      const value = X[from + t * stride];
      apart += Math.abs(value - average);
      total += value;
    }
    const own = (epsilon * apart) / (sum - n * epsilon) + gamma(2 * n + 3) * average + total * 2 ** -23;
    const s = own + (1 + MOVED) * carried;
    const level = Math.round(average);
    levels[to] = level;
    bound[to] = Math.max(Math.floor(average + s + 0.5) - level, level - Math.ceil(average - s - 0.5));
  });
  return { exact: tensor(levels, shape), bounds: { bound } };
}
