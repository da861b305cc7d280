/** Bounds of an update against docs/error-bounds.md, worked out by hand on small examples. */
import { expect } from 'chai';
import type { Judged } from '../../../lib/bounds/bounds.ts';
import { factorOfLoss, parameterBounds, velocityBounds } from '../../../lib/bounds/update.ts';
import { contextOn, g, near, t, u } from '../../support/hand.ts';

const cpu = contextOn('cpu');
const limits = (judged: Judged) => judged.bounds.bound;
/** The oracle's own error of a sum of n roundings. */
const own = (n: number) => n * 2 ** -53;

describe('updates by hand', () => {
  const coefficients = { learningRate: 0.5, momentum: 0.75, weightDecay: 0.25 } as Parameters<
    typeof velocityBounds
  >[1];
  const state = { w: t([1, 2], 8, -4), v: t([1, 2], 2, 1) };

  it('the loss’s factor is −ε, Caffe’s ε, PyTorch’s 1', () => {
    expect((['paper', 'caffe', 'pytorch'] as const).map((rule) => factorOfLoss(rule, 0.5))).to.deep.equal([
      -0.5, 0.5, 1,
    ]);
  });

  it('v′ = µv + cw + rg: γ₈ of |µv| + |cw| + |rg|, where c is −ελ, Caffe’s ελ, PyTorch’s λ', () => {
    const gradient = { value: t([1, 2], -3, 5) };
    // r = 2 but for PyTorch
    const wanted = {
      paper: { exact: [1.5 - 1 - 6, 0.75 + 0.5 + 10], terms: [1.5 + 1 + 6, 0.75 + 0.5 + 10] },
      caffe: { exact: [1.5 + 1 - 6, 0.75 - 0.5 + 10], terms: [1.5 + 1 + 6, 0.75 + 0.5 + 10] },
      pytorch: { exact: [1.5 + 2 - 3, 0.75 - 1 + 5], terms: [1.5 + 2 + 3, 0.75 + 1 + 5] },
    } as const;
    for (const [rule, { exact, terms }] of Object.entries(wanted)) {
      const found = velocityBounds(rule as keyof typeof wanted, coefficients, 2, state, gradient, cpu);
      near(found.exact.data, exact, rule);
      near(
        limits(found),
        terms.map((m) => m * g(8)),
        rule,
      );
    }
  });

  it('in one Gemm with the products: γ_{N+9} of |µv| + |cw| + rΣ|dy·x|, judged by its bits', () => {
    // N = 3: dw = Σ dy·x = (1·1 − 2·2 + 1·3, 2 + 2 + 0) = (0, 4)
    const gradient = { dy: t([3, 1], 1, -2, 1), x: t([3, 2], 1, 2, 2, -1, 3, 0) };
    const found = velocityBounds('paper', coefficients, 2, state, gradient, cpu);
    near(found.exact.data, [0.5, 0.75 + 0.5 + 8]);
    near(
      limits(found),
      [1.5 + 1 + 2 * 8, 0.75 + 0.5 + 2 * 4].map((m) => m * (g(12) + own(12))),
    );
    near(found.bounds.squares!.products, [4 * 26, 4 * 8]);
    near(found.bounds.squares!.total, [4 * 26 + 2.25 + 1, 4 * 8 + 0.5625 + 0.25]);
  });

  it('w ± v′: one rounding; PyTorch multiplies first, γ₅·|εv′| more', () => {
    const of = (rule: 'paper' | 'caffe' | 'pytorch') => parameterBounds(rule, coefficients, state, cpu);
    near(of('paper').exact.data, [10, -3]);
    near(of('caffe').exact.data, [6, -5]);
    near(of('pytorch').exact.data, [7, -4.5]);
    near(limits(of('paper')), [10 * u, 3 * u]);
    near(limits(of('caffe')), [6 * u, 5 * u]);
    near(limits(of('pytorch')), [7 * u + (1 + u) * g(5), 4.5 * u + (1 + u) * 0.5 * g(5)]);
  });
});
