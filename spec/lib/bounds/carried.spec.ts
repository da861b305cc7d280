/** Layers whose inputs nobody has: what a doubt becomes behind each, worked out by hand (docs/error-bounds.md). */
import { expect } from 'chai';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { BoundsContext, Judged } from '../../../lib/bounds/bounds.ts';
import { doubtOf, judgedInDoubt } from '../../../lib/bounds/carried.ts';
import { judge } from '../../../lib/judge/judge.ts';
import { type Layer, linear } from '../../../reference/networks/layers.ts';
import { type Tensor, tensor } from '../../../reference/tensor.ts';
import { contextOn, g, near, t, u } from '../../support/hand.ts';

const layer = (kind: Layer['kind'], attributes?: object): Layer => ({ name: 'y', kind, attributes }) as Layer;
const cpu = contextOn('cpu');
const f64 = (shape: readonly number[], ...values: number[]) => tensor(Float64Array.from(values), shape);
/** The bound itself may have moved by 2⁻⁶. */
const MOVED = 1 + 2 ** -6;

/** A layer whose inputs may be off by s, and are expected to be by σ; both null: they are the device's own. */
function inDoubt(
  one: Layer,
  x: Tensor,
  s: readonly number[] | null,
  { sigma = s, weights = new Map(), context = cpu, stored = 0 } = {} as {
    sigma?: readonly number[] | null;
    weights?: ReadonlyMap<string, Tensor>;
    context?: BoundsContext;
    stored?: number;
  },
): Judged {
  const doubt = s && { bound: f64(x.shape, ...s), deviation: f64(x.shape, ...sigma!) };
  return judgedInDoubt({ layer: one, inputs: [x], weights }, [doubt ?? undefined], context, stored);
}
/** What doubts add to the bound, over 1 + 2⁻⁶. */
function carried(one: Layer, x: Tensor, s: readonly number[], weights = new Map<string, Tensor>()): number[] {
  const [own, wider] = [null, s].map((doubt) => inDoubt(one, x, doubt, { weights }).bounds.bound);
  return Array.from(wider, (limit, i) => (limit - own[i]) / MOVED);
}

describe('doubts by hand: sums of products', () => {
  // y = (3·1 − 4·2 + 1, 1 + 2·2 − 1) = (−4, 4); Σ|w·x| + |b| = (12, 6); Σ(w·x)² = (73, 17)
  const x = t([1, 2], 1, 2);
  const weights = new Map([
    ['y.weight', t([2, 2], 3, -4, 1, 2)],
    ['y.bias', t([2], 1, -1)],
  ]);
  const [s, sigma] = [
    [0.5, 0.25],
    [0.03, 0.04],
  ];
  const fc = linear('y', 2);
  const own = [12, 6].map((m) => m * (g(3) + 3 * 2 ** -53));
  // one accumulator: mixed signs u·√(2·(73/2 + 16/3)); of one sign, |ŷ| over half of 6, u·2·4/2
  const noise = [u * Math.sqrt(2 * (36.5 + 16 / 3)), 4 * u];
  // √(9·0.0009 + 16·0.0016) and √(0.0009 + 4·0.0016)
  const moved = [Math.sqrt(0.0337), Math.sqrt(0.0073)];

  it('the bound grows by (1 + 2⁻⁶)·Σ|w|·s', () => {
    // 3·½ + 4·¼ and ½ + 2·¼
    const { bound } = inDoubt(fc, x, s, { sigma, weights }).bounds;
    near(bound, [own[0] + 2.5 * 1.015625, own[1] + 1.015625]);
  });

  it('deviations add up as √Σ(w·σ)², with what one accumulator makes', () => {
    const { accumulated, deviation, squares } = inDoubt(fc, x, s, { sigma, weights }).bounds;
    near(accumulated!, [Math.hypot(noise[0], moved[0]), Math.hypot(noise[1], moved[1])]);
    expect(deviation).to.equal(accumulated);
    expect(squares!.noise).to.equal(accumulated);
    near(squares!.products, [73, 17]);
  });

  it('rounded operands add 2t·(√(Σ(w·x)² + b²) + |ŷ|) of their own', () => {
    const context = contextOn('cuda', { operands: classes.tf32 });
    const { accumulated } = inDoubt(fc, x, s, { sigma: [0, 0], weights, context }).bounds;
    near(accumulated!, [
      Math.hypot(noise[0], 2 ** -9 * (Math.sqrt(74) + 4)),
      Math.hypot(noise[1], 2 ** -9 * (Math.sqrt(18) + 4)),
    ]);
  });

  it('the expectation grows by λσ, λ = √(2·ln(2M/p)); the bound where that is less', () => {
    const { expectation } = inDoubt(fc, x, s, { sigma, weights }).bounds;
    // two elements, and of three roundings the own expectation is the bound
    const lambda = Math.sqrt(2 * Math.log(4e6));
    near(expectation!, [own[0] + lambda * moved[0], own[1] + lambda * moved[1]]);
    const small = inDoubt(fc, x, [0.01, 0.01], { sigma, weights }).bounds;
    near(small.expectation!, [...small.bound]);
  });

  it('a convolution carries so too: Σ|w|·s over each window', () => {
    const attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
    const conv: Layer = { name: 'y', kind: 'conv2d', channels: 1, kernel: [1, 2], attributes };
    const w = new Map([['y.weight', t([1, 1, 1, 2], 2, -3)]]);
    near(
      carried(conv, t([1, 1, 1, 3], 1, 1, 1), [1, 0.5, 0.25], w).map((v) => Number(v.toFixed(6))),
      [3.5, 1.75],
    );
  });

  it('inputs that are the device’s own leave the bounds as they are', () => {
    const { bounds } = inDoubt(fc, x, null, { weights });
    near(bounds.bound, own);
    expect(bounds.accumulated).to.equal(undefined);
    const doubt = doubtOf(inDoubt(fc, x, null, { weights }), cpu);
    near(doubt.bound.data as Float64Array, own);
    near(doubt.deviation.data as Float64Array, noise);
    expect(doubt.deviation.shape).to.deep.equal([1, 2]);
    const behind = inDoubt(fc, x, s, { sigma, weights });
    expect(doubtOf(behind, cpu).deviation.data).to.equal(behind.bounds.accumulated);
  });

  it('0.99 of three deviations together pass, 1.01 fail', () => {
    const judged = inDoubt(fc, x, s, { sigma, weights });
    // √(0.0337 + 0.0073) = 0.202485
    const at = (share: number) => judge(t([1, 2], -4 + share * 3 * 0.202485, 4), judged, classes.float32);
    expect(at(0.99)).to.include({ verdict: 'pass' });
    expect(at(1.01)).to.include({
      verdict: 'fail',
      reason: '1.01 times what rounding errors up to here may add up to',
    });
  });
});

describe('doubts by hand: what follows', () => {
  const x = t([1, 1, 2, 2], 1, -2, 3, -4);
  const s = [0.1, 0.4, 0.2, 0.3];

  for (const kind of ['relu', 'tanh', 'sigmoid'] as const)
    it(`${kind}: no slope is above 1`, () => {
      near(
        carried(layer(kind), x, s).map((v) => Number(v.toFixed(12))),
        s,
      );
    });

  it('a pool takes the largest doubt of a window, or their mean; dropout its factor', () => {
    const about = { kernel: [2, 2], stride: [1, 1], pad: [0, 0, 0, 0], rounding: 'floor' };
    near(carried(layer('maxpool', about), x, s), [0.4]);
    near([Number(carried(layer('avgpool', { ...about, divisor: 'window' }), x, s)[0].toFixed(9))], [0.25]);
    near(
      carried(layer('dropout', { ratio: 0.25, convention: 'paper' }), x, s).map((v) => Number(v.toFixed(9))),
      [0.075, 0.3, 0.15, 0.225],
    );
  });

  it('an input that is the device’s own has no doubt', () => {
    const doubt = { bound: f64([1, 2], 0.5, 0.25), deviation: f64([1, 2], 0.05, 0.02) };
    const call = {
      layer: layer('concat', { axis: 1 }),
      inputs: [t([1, 1], 7), t([1, 2], 8, 9)],
      weights: new Map(),
    };
    const { bound, accumulated } = judgedInDoubt(call, [undefined, doubt], cpu).bounds;
    near(bound, [0, 0.5 * MOVED, 0.25 * MOVED]);
    near(accumulated!, [0, 0.05, 0.02]);
  });

  it('exact layers are expected to be off by what came to them alone', () => {
    const { accumulated, expectation } = inDoubt(layer('relu'), t([1, 2], 1, 2), [1, 1], {
      sigma: [0.01, 0.02],
    }).bounds;
    near(accumulated!, [0.01, 0.02]);
    near(
      expectation!,
      [0.01, 0.02].map((v) => v * Math.sqrt(2 * Math.log(4e6))),
    );
  });

  it('LRN: s·d₋^−β + |x|·max(d₋^−β − d^−β, d^−β − d₊^−β)', () => {
    const lrn = layer('lrn', { size: 1, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 });
    // x = 2 ± ½: d = 5, d₋ = 3.25, d₊ = 7.25; x = −1 ± 3: d = 2, d₋ = 1, d₊ = 17, and the second is larger
    const wanted = [
      0.5 * 3.25 ** -0.75 + 2 * (3.25 ** -0.75 - 5 ** -0.75),
      3 * 1 + 1 * (2 ** -0.75 - 17 ** -0.75),
    ];
    near(
      carried(lrn, t([1, 2, 1, 1], 2, -1), [0.5, 3]).map((v) => Number(v.toFixed(6))),
      wanted.map((v) => Number(v.toFixed(6))),
    );
    const maps = layer('mapnorm', { size: 3, alpha: 1, beta: 0.75, k: 1, divide: true });
    // ninths of the squares: d = 13/9, d₋ = 1 + 2.25/9, d₊ = 1 + 6.25/9
    near(
      carried(maps, t([1, 1, 1, 1], 2), [0.5]).map((v) => Number(v.toFixed(6))),
      [Number((0.5 * 1.25 ** -0.75 + 2 * (1.25 ** -0.75 - (13 / 9) ** -0.75)).toFixed(6))],
    );
  });

  it('LRN that may be onnxruntime’s: the deviation is that of any order, and both bounds grow', () => {
    const lrn = layer('lrn', { size: 1, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 });
    const context = contextOn('cpu', { runningSum: true });
    const [own, wider] = [null, [0.5, 0.5]].map(
      (doubt) => inDoubt(lrn, t([1, 2, 1, 1], 2, 1), doubt, { context }).bounds,
    );
    const grown = (a: Float64Array, b: Float64Array) => Array.from(a, (v, i) => v - b[i]);
    near(grown(wider.anyOrder!, own.anyOrder!), grown(wider.bound, own.bound));
    expect(wider.bound[0] - own.bound[0]).to.be.above(0.4);
    const { deviation } = doubtOf({ exact: t([1, 2, 1, 1], 0, 0), bounds: own }, context);
    expect(deviation.data).to.equal(own.anyOrder);
  });

  it('softmax: one class’s odds against all others go with e^±t, t = sᵢ + max s', () => {
    // the farthest that p = o/(1 + o) comes when its odds o become o·e^t or o·e^−t
    const farthest = (odds: number, by: number) => {
      const p = (o: number) => o / (1 + o);
      return Math.max(p(odds * Math.exp(by)) - p(odds), p(odds) - p(odds * Math.exp(-by)));
    };
    const e = Math.E;
    const rows = carried(layer('softmax'), t([2, 3], 1, 0, 0, 0, 0, 2), [0.1, 0.3, 0.2, 0, 0.5, 0]);
    const wanted = [
      farthest(e / 2, 0.4),
      farthest(1 / (e + 1), 0.6),
      farthest(1 / (e + 1), 0.5),
      farthest(1 / (1 + e * e), 0.5),
      farthest(1 / (1 + e * e), 1),
      farthest((e * e) / 2, 0.5),
    ];
    near(
      rows.map((v) => Number(v.toFixed(6))),
      wanted.map((v) => Number(v.toFixed(6))),
    );
  });

  it('softmax: what is all but sure moves by the others’ e^t, what is certain or 0 not at all', () => {
    // 1 − p = 2e^−40/(1 + 2e^−40), of which 1 − p itself says nothing
    const sure = carried(layer('softmax'), f64([1, 3], 0, 40, 0), [0, 1, 0]);
    expect(sure[1] / (2 * Math.exp(-40) * Math.expm1(2))).to.be.closeTo(1, 1e-5);
    near(carried(layer('softmax'), t([1, 1], 3), [1000]), [0]);
    near(carried(layer('softmax'), t([1, 2], 0, -1000), [5, 5]), [0, 0]);
    near(carried(layer('softmax'), t([1, 2], 0, 0), [0, 0]), [0, 0]);
  });
});

describe('values that are written down as bfloat16', () => {
  it('are off by that much of themselves too, in the bound and in the deviation', () => {
    const own = inDoubt(layer('relu'), t([1, 2], 3, 0), null, { stored: 2 ** -8 });
    near(own.bounds.bound, [3 * 2 ** -8, 0]);
    const both = inDoubt(layer('relu'), t([1, 2], 3, 4), [0.5, 0], { sigma: [0.1, 0], stored: 2 ** -8 });
    near(both.bounds.bound, [3 * 2 ** -8 + 0.5 * MOVED, 4 * 2 ** -8]);
    near(both.bounds.accumulated!, [Math.hypot(3 * 2 ** -8, 0.1), 4 * 2 ** -8]);
  });
});
