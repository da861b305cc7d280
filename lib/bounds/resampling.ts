/** How far a right device may be off in grey levels that are averaged along one axis (reference/input/pixels.ts). */
import { eachAverage } from '../../reference/input/pixels.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { type DeviceArithmetic, gamma } from './arithmetic.ts';
import type { Bounds } from './bounds.ts';

/**
 * `exact` (N,H,W,3): the averages of x along `axis` in real numbers, ŷ = Σwx/Σw; the device rounds to a whole number,
 * which takes it ½ away. Before that, d the device's division in units of u:
 *
 * - a centre c is (i + ½) divided by a rounded scale, less ½ and plus ½: (2d + 2)·c·u. A weight 1 − |t + ½ − c|/s,
 *   s the support, has of that (2d + 2)·c/s, of its differences 2(s + 1)/s ≤ 4, of 1/s, the product and 1 − … 3d + 2:
 *   ε = γ_{(2d+2)c/s + 3d + 6}. It may be 0 where it should be up to ε, or up to ε in the pixel beside the window.
 * - weights that are off by ε each move ŷ by Σε|x − ŷ|/(Σw − nε) at most, as Σ(w + ε)(x − ŷ) = Σε(x − ŷ)
 * - Σw, its reciprocal, the products and their sum in float32: γ_{2n+3}·ŷ; weights in fixed point of 22 bits: Σx·2⁻²³
 */
export function averaged(x: Tensor, exact: Tensor, axis: 1 | 2, { divide }: DeviceArithmetic): Bounds {
  const X = dense(x);
  const Y = dense(exact);
  const bound = new Float64Array(exact.size);
  const [input, length] = [x.shape[axis], exact.shape[axis]];
  if (input === length) return { bound };
  eachAverage(x.shape, axis, length, ({ first, weights, sum, centre, support }, from, stride, to) => {
    const epsilon = gamma(((2 * divide + 2) * centre) / support + 3 * divide + 6);
    const last = Math.min(first + weights.length, input - 1);
    let off = 0;
    let total = 0;
    let n = 0;
    for (let t = Math.max(first - 1, 0); t <= last; t++, n++) {
      const value = X[from + t * stride];
      off += Math.abs(value - Y[to]);
      total += value;
    }
    const moved = (epsilon * off) / (sum - n * epsilon);
    bound[to] = 0.5 + moved + gamma(2 * n + 3) * Y[to] + total * 2 ** -23;
  });
  return { bound };
}
