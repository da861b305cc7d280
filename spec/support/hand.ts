/** What specs of bounds worked out by hand share: one operation on one device, and numbers to nine digits. */
import { expect } from 'chai';
import { classes } from '../../lib/bounds/arithmetic.ts';
import type { BackwardPass, BoundsContext, Judged } from '../../lib/bounds/bounds.ts';
import { judgedGradients, judgedOutput } from '../../lib/bounds/operations.ts';
import type { Device } from '../../lib/runtime/failures.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { type Tensor, tensor } from '../../reference/tensor.ts';

/** Unit roundoff of float32, and γₙ in its units: n/(1 − nu). */
export const u = 2 ** -24;
export const g = (n: number): number => n / (2 ** 24 - n);

/** What a sum of at most 30 roundings, worked out to first order in units of u, leaves out: 30²·u = 5.4·10⁻⁵. */
export const SECOND_ORDER = 1e-4;
/** Half a unit of the fourth decimal, in which λ√n is written down, and the double's rounding. */
export const FOUR_DECIMALS = 5.1e-5;

export const t = (shape: readonly number[], ...values: number[]): Tensor =>
  tensor(Float32Array.from(values), shape);

export const contextOn = (device: Device, more: Partial<BoundsContext> = {}): BoundsContext => ({
  device,
  operands: classes.float32,
  half: false,
  runningSum: false,
  ...more,
});

/** ŷ and the bounds of a layer called 'y'; weights w and b. */
export function judgedOf(layer: Layer, x: Tensor, context: BoundsContext, w?: Tensor, b?: Tensor): Judged {
  const weights = new Map([...(w ? [['y.weight', w] as const] : []), ...(b ? [['y.bias', b] as const] : [])]);
  return judgedOutput({ layer, inputs: [x], weights }, context);
}

/** The bounds of a layer's gradients: dx, dw, db. */
export function gradientsOf(
  layer: Layer,
  pass: Pick<BackwardPass, 'y' | 'dy'> & Partial<BackwardPass> & { x: Tensor },
  context: BoundsContext,
): readonly (Judged | null)[] {
  return judgedGradients(
    layer,
    { inputs: [pass.x], weights: new Map(), wanted: { dx: true }, ...pass },
    context,
  );
}

/** Numbers that agree to nine digits, or both are ∞. */
export function near(actual: ArrayLike<number>, expected: readonly number[], about = ''): void {
  expect(actual.length, about).to.equal(expected.length);
  for (const [i, wanted] of expected.entries())
    if (actual[i] !== wanted)
      expect(actual[i] / wanted, `${about} [${i}]: ${actual[i]}, not ${wanted}`).to.be.closeTo(1, 1e-9);
}
