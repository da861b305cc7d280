/**
 * Central differences in float64 with kinks told apart: what a gradient must agree with where the function is smooth.
 *
 * C(h) = (f(h) − f(−h)) / 2h is off by h²f‴/6 and by rounding/h, so (4·C(h/2) − C(h)) / 3 is off by O(h⁴),
 * which is far less than |C(h) − C(h/2)|. A kink shows in the one-sided slopes: their gap is h·f″ where f is
 * smooth, so it shrinks tenfold with h. It stays where the slope jumps at 0, and collapses where it jumps
 * between the two steps.
 */
import { expect } from 'chai';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';

export interface Slope {
  /** Richardson's extrapolation of two central differences. */
  readonly value: number;
  /** How far it may be off: truncation and rounding. */
  readonly uncertainty: number;
  /** Whether the slope jumps within the largest step. */
  readonly kink: boolean;
}

/** The slope of `along` at 0. `rounding`: how far a value of it may be off. */
export function slopeAt(along: (t: number) => number, rounding: number): Slope {
  const known = new Map<number, number>();
  // some steps are taken twice
  const f = (t: number): number => {
    const value = known.get(t) ?? along(t);
    known.set(t, value);
    return value;
  };
  const here = f(0);
  const gap = (h: number) => Math.abs(f(h) - 2 * here + f(-h)) / h;
  const jumps = (large: number, small: number) => {
    const noise = (4 * rounding) / small;
    const [wide, narrow] = [gap(large), gap(small)];
    return wide > 10 * noise && (narrow > wide / 2 || narrow + noise < wide / 50);
  };
  const central = (h: number) => (f(h) - f(-h)) / (2 * h);
  const [wide, narrow] = [central(2e-4), central(1e-4)];
  return {
    value: (4 * narrow - wide) / 3,
    uncertainty: Math.abs(wide - narrow) + (4 * rounding) / 1e-4,
    kink: jumps(1e-3, 1e-4) || jumps(1e-4, 1e-5),
  };
}

/**
 * Checks dx, the gradient of Σ dy·forward(x), against the slope along every element of x (or those that `pick` takes).
 * Returns how many kinks were skipped. `roundings`: how many units of 2⁻⁵³ a value may have lost on the way.
 */
export function checkGradient(
  forward: (x: Tensor) => Tensor,
  x: Tensor,
  dy: Tensor,
  dx: Tensor,
  roundings = 64,
  pick: (i: number) => boolean = () => true,
): number {
  const [X, DY, DX] = [dense(x), dense(dy), dense(dx)];
  const objective = (values: Float64Array, f: (a: number, b: number) => number) => {
    const Y = dense(forward(tensor(values, x.shape)));
    let sum = 0;
    for (let i = 0; i < Y.length; i++) sum += f(DY[i], Y[i]);
    return sum;
  };
  const rounding =
    2 ** -53 * (roundings + DY.length) * objective(Float64Array.from(X), (a, b) => Math.abs(a * b));
  let kinks = 0;
  for (let i = 0; i < X.length; i++) {
    if (!pick(i)) continue;
    const along = (t: number) => {
      const moved = Float64Array.from(X);
      moved[i] += t;
      return objective(moved, (a, b) => a * b);
    };
    const { value, uncertainty, kink } = slopeAt(along, rounding);
    if (kink) kinks++;
    else expect(DX[i], `element ${i}`).to.be.closeTo(value, uncertainty);
  }
  return kinks;
}
