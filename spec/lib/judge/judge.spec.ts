/** The judge on both sides of every limit. */
import { expect } from 'chai';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { Bounds } from '../../../lib/bounds/bounds.ts';
import { NORMWISE } from '../../../lib/bounds/normwise.ts';
import { distance, judge, overRatio, relativeDifference } from '../../../lib/judge/judge.ts';
import { tensor } from '../../../reference/tensor.ts';

const f64 = (values: readonly number[]) => Float64Array.from(values);
const column = (values: readonly number[]) => tensor(f64(values), [values.length]);
/** The same limit for every element. */
const all = (n: number, limit: number) => new Float64Array(n).fill(limit);

function judged(
  y: readonly number[],
  exact: readonly number[],
  bounds: Partial<Bounds> = {},
  required: keyof typeof classes = 'float32',
) {
  const own = { bound: all(exact.length, 1), ...bounds };
  return judge(column(y), { exact: column(exact), bounds: own }, classes[required]);
}

/** Squares of products alone, all 1, with a noise that explains nothing. */
const squares = (n: number, { total = 1, products = 1, noise = 1e-30 } = {}) => ({
  total: all(n, total),
  products: all(n, products),
  noise: all(n, noise),
});

describe('the judge: bound and expectation', () => {
  it('0.99 of the bound passes and 1.01 fails', () => {
    for (const sign of [1, -1]) {
      expect(judged([10, 20 + sign * 0.99], [10, 20])).to.include({ verdict: 'pass', reason: '', beyond: 0 });
      const wrong = judged([10, 20 + sign * 1.01], [10, 20]);
      expect(wrong).to.include({
        verdict: 'fail',
        reason: '1 of 2 values beyond the bound',
        beyond: 1,
        count: 2,
      });
      expect(wrong.overBound).to.be.closeTo(1.01, 1e-12);
      expect(wrong.worst).to.deep.include({ index: [1], device: 20 + sign * 1.01, oracle: 20, bound: 1 });
    }
  });

  it('0.99 of the expectation passes and 1.01 is suspicious', () => {
    const expectation = all(2, 0.5);
    expect(judged([10.495, 20], [10, 20], { expectation })).to.include({ verdict: 'pass' });
    expect(judged([10.495, 20], [10, 20], { expectation }).overExpectation).to.be.closeTo(0.99, 1e-9);
    expect(judged([10.505, 20], [10, 20], { expectation })).to.include({
      verdict: 'suspicious',
      reason: '1.01 times what rounding errors should add up to',
    });
    expect(judged([10, 20], [10, 20]).overExpectation).to.equal(null);
  });

  it('the largest error, the relative one, and the worst element by error over bound', () => {
    const found = judged([1.5, 2.25, 4], [1, 2, 4], { bound: f64([4, 0.5, 1]) });
    expect(found).to.include({ maxError: 0.5, overBound: 0.5 });
    expect(found.relativeError).to.be.closeTo(Math.sqrt((0.25 + 0.0625) / 21), 1e-12);
    expect(found.worst).to.deep.equal({ index: [1], device: 2.25, oracle: 2, error: 0.25, bound: 0.5 });
    expect(judged([1, 2], [1, 2])).to.include({ maxError: 0, relativeError: 0, overBound: 0, worst: null });
  });

  it('an element’s place is spelt out, the last axis fastest', () => {
    const y = tensor(f64([0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]), [2, 3, 2]);
    const exact = tensor(new Float64Array(12), [2, 3, 2]);
    expect(judge(y, { exact, bounds: { bound: all(12, 1) } }, classes.float32).worst?.index).to.deep.equal([
      0, 2, 1,
    ]);
  });

  it('other shapes are an error, no elements a pass', () => {
    const exact = tensor(new Float64Array(2), [1, 2]);
    expect(() => judge(column([0, 0]), { exact, bounds: { bound: all(2, 1) } }, classes.float32)).to.throw(
      'shape [2] on the device, [1,2] in the oracle',
    );
    expect(judged([], [])).to.include({ verdict: 'pass', reason: '' });
  });

  it('a bound of 0 allows nothing, one of ∞ everything but a NaN of the engine’s own', () => {
    expect(judged([1, 2 + 2 ** -40], [1, 2], { bound: all(2, 0) })).to.include({
      verdict: 'fail',
      overBound: Infinity,
    });
    expect(judged([1, 99], [1, 2], { bound: all(2, Infinity) })).to.include({
      verdict: 'pass',
      overBound: 0,
    });
    const named = { bound: all(2, Infinity), anyOrder: all(2, 1), named: 'its own sum' };
    const own = judged([1, Number.NaN], [1, 2], named);
    expect(own).to.include({ verdict: 'fail', named: 'its own sum', beyond: 1 });
    expect(own.reason).to.equal("1 of 2 values beyond the bound; the engine's own fault: its own sum");
    // beside a fault that it does not explain it is no excuse
    const mixed = judged([1, Number.NaN, 9], [1, 2, 3], {
      ...named,
      bound: f64([1, Infinity, 1]),
      anyOrder: all(3, 1),
    });
    expect(mixed.reason).to.equal('2 of 3 values beyond the bound');
  });

  it('the pattern is of those beyond the bound, an engine’s own NaN among them, an overflow not', () => {
    const only = (at: number) => ({
      axes: [{ first: at, last: at, count: 1, step: 1 }],
      border: null,
      from: null,
    });
    expect(judged([10, 21.5], [10, 20]).pattern).to.deep.equal(only(1));
    expect(judged([10, 20.5], [10, 20]).pattern).to.equal(null);
    const named = { bound: all(2, Infinity), anyOrder: all(2, 1), named: 'its own sum' };
    expect(judged([Number.NaN, 1], [1, 2], named).pattern).to.deep.equal(only(0));
    expect(judged([Infinity, 9], [4e38, 1]).pattern).to.deep.equal(only(1));
  });

  it('an engine’s own bound is named where another would not have been kept', () => {
    const of = (error: number) =>
      judged([1, 2 + error], [1, 2], { bound: all(2, 4), anyOrder: all(2, 1), named: 'own' });
    expect(of(0.99)).to.include({ verdict: 'pass', named: null });
    expect(of(1.01)).to.include({ verdict: 'pass', named: 'own' });
  });
});

describe('the judge: what went through several layers', () => {
  // three times √(0.1² + 0.1²) = 0.4243
  const accumulated = Float64Array.of(0.1, 0.1);

  it('errors of three times what adds up pass, more fail', () => {
    expect(judged([10.42, 20], [10, 20], { accumulated })).to.include({ verdict: 'pass' });
    expect(judged([10.43, 20], [10, 20], { accumulated })).to.include({
      verdict: 'fail',
      reason: '1.01 times what rounding errors up to here may add up to',
    });
  });

  it('values that such errors drown are untested', () => {
    expect(judged([0.4, 0.2], [0.41, 0.1], { accumulated }).reason).to.match(/too many layers are missing$/);
    expect(judged([0.4, 0.2], [0.42, 0.1], { accumulated })).to.include({ verdict: 'pass' });
  });
});

describe('the judge: what tests nothing', () => {
  it('an oracle that is constant, and a device that alone is', () => {
    expect(judged([3, 3.5], [3, 3])).to.include({
      verdict: 'untested',
      reason: 'constant in the oracle (3): this tests nothing',
    });
    expect(judged([3], [3])).to.include({ verdict: 'pass' });
    const expectation = all(2, 0.1);
    const stuck = judged([3, 3], [3, 3.5], { expectation });
    expect(stuck).to.include({ verdict: 'fail', reason: 'constant on the device, not in the oracle' });
    // where rounding explains that all are equal, they rightly are
    expect(judged([3, 3], [3, 3.5])).to.include({ verdict: 'pass' });
    expect(judged([3, 3], [3, 3.5], { bound: f64([1, Infinity]) })).to.include({ verdict: 'fail' });
    expect(judged([3, 3], [3, 3.5], { bound: f64([Infinity, 1]) })).to.include({ verdict: 'pass' });
  });

  it('zeros where 0 is within every bound', () => {
    const tiny = { bound: all(2, 1e-3) };
    expect(judged([0, 0], [1e-3, 2e-4], tiny)).to.include({
      verdict: 'untested',
      reason: 'too small to be told from 0: this tests nothing',
    });
    expect(judged([0, 0], [1.001e-3, 2e-4], tiny)).to.include({ verdict: 'fail' });
    expect(judged([1e-4, 0], [1e-3, 2e-4], tiny)).to.include({ verdict: 'pass' });
    // too few bits of numbers that are all but 0 say nothing either
    const bits = { ...tiny, squares: squares(2, { total: 1e-6, products: 1e-6 }) };
    expect(judged([1e-4, 0], [1e-3, 2e-4], bits)).to.include({ verdict: 'untested' });
  });

  it('overflow: infinity of the right sign where ŷ and its bound reach the type’s largest number', () => {
    const most = { bound: all(2, 1), most: 65504 };
    const beyond = judged([1, Infinity], [1, 65503.5], most);
    expect(beyond).to.include({ verdict: 'untested', maxError: 0, beyond: 0 });
    expect(beyond.reason).to.equal(
      "overflows: the oracle's value, or a sum on the way, is beyond float16 in 1 of 2",
    );
    expect(judged([1, Infinity], [1, 65502.5], most)).to.include({ verdict: 'fail' });
    expect(judged([1, -Infinity], [1, 65503.5], most)).to.include({ verdict: 'fail' });
    expect(judged([1, Infinity], [1, 3.5e38]).reason).to.match(/^overflows.* beyond float32 in 1 of 2$/);
    expect(judged([1, Infinity], [1, 3.3e38])).to.include({ verdict: 'fail' });
    expect(judged([1, Number.NaN], [1, 5], { bound: all(2, Infinity) }).reason).to.match(/^overflows/);
  });

  it('a value that overflowed is not among the relative errors', () => {
    expect(judged([1.5, Infinity], [1, 1e39]).relativeError).to.equal(0.5);
  });
});

describe('the judge: effective bits', () => {
  /** Errors of ±2^−bits of √Σ(w·x)² = 1 in eight elements. */
  const withBits = (bits: number, required: keyof typeof classes = 'float32', about = {}) => {
    const exact = [1, 2, 3, 4, 5, 6, 7, 8];
    const y = exact.map((v, i) => v + (i % 2 ? 1 : -1) * 2 ** -bits);
    return judged(y, exact, { squares: squares(8, about) }, required);
  };

  it('15.1 are float32, 14.9 are TF32 or float16, and fail where float32 is required', () => {
    expect(withBits(15.1)).to.include({ verdict: 'pass', arithmetic: 'float32' });
    expect(withBits(15.1).bits).to.be.closeTo(15.1, 1e-9);
    expect(withBits(14.9)).to.include({
      verdict: 'fail',
      arithmetic: 'tf32-or-float16',
      reason: '14.9 effective bits, float32 has at least 15',
    });
  });

  for (const name of ['tf32', 'float16'] as const)
    it(`10.1 are ${name}, 9.9 are too few`, () => {
      expect(withBits(10.1, name)).to.include({ verdict: 'pass', arithmetic: 'tf32-or-float16' });
      expect(withBits(9.9, name)).to.include({
        verdict: 'fail',
        arithmetic: 'bfloat16',
        reason: `9.9 effective bits, ${name} has at least 10`,
      });
    });

  it('7.1 are bfloat16, 6.9 are too few', () => {
    expect(withBits(7.1, 'bfloat16')).to.include({ verdict: 'pass', arithmetic: 'bfloat16' });
    expect(withBits(6.9, 'bfloat16')).to.include({ verdict: 'fail' });
  });

  it('no error at all is 53 bits', () => {
    expect(withBits(Infinity)).to.include({ bits: 53, arithmetic: 'float32' });
  });

  it('they are an rms over √Σ(w·x)² + b² of the elements that have products', () => {
    // errors 0 and 2⁻⁸ of magnitudes 2: mean square ½·2⁻¹⁸, so 9.5 bits
    const two = { squares: { ...squares(3, { total: 4, products: 4 }), products: f64([4, 4, 0]) } };
    expect(judged([1, 2 + 2 ** -8, 3.5], [1, 2, 3], two).bits).to.be.closeTo(9.5, 1e-9);
  });

  it('errors within three times one accumulator’s noise are undetermined', () => {
    expect(withBits(12, 'float32', { noise: 2 ** -12 / 2.9 })).to.include({
      verdict: 'pass',
      arithmetic: 'undetermined',
    });
    expect(withBits(12, 'float32', { noise: 2 ** -12 / 3.1 })).to.include({
      verdict: 'fail',
      arithmetic: 'tf32-or-float16',
    });
  });

  it('so they are where the bias is over ten times the products', () => {
    expect(withBits(16, 'float32', { products: 0.011 })).to.include({ arithmetic: 'float32' });
    expect(withBits(16, 'float32', { products: 0.009 })).to.include({ arithmetic: 'undetermined' });
    expect(withBits(16, 'float32', { products: 0 })).to.include({ bits: null, arithmetic: 'undetermined' });
    expect(withBits(16, 'float32', { total: 0, products: 0 })).to.include({ bits: null, arithmetic: null });
  });

  it('elements without a bound, and values that are no numbers, are left out', () => {
    const own = (y: number, limit: number) =>
      judged([1, 2, y], [1, 2, 3], { bound: f64([1, 1, limit]), squares: squares(3) }).bits;
    expect(own(3.5, Infinity)).to.equal(53);
    expect(own(3.5, 1)).to.be.below(3);
    expect(own(Infinity, 1)).to.equal(53);
    const infinite = { squares: { ...squares(3), total: f64([1, 1, Infinity]) } };
    expect(judged([1, 2 + 2 ** -8, 3], [1, 2, 3], infinite).bits).to.be.closeTo(8.5, 1e-9);
  });

  it('a common factor of up to −2⁻⁹, which truncation makes, is taken out below 10 bits', () => {
    const exact = [1, 2, 3, 4, 5, 6, 7, 8].map((v) => 4 * v);
    const shortened = (factor: number, bits: number) =>
      judged(
        exact.map((v, i) => v * (1 + factor) + (i % 2 ? 1 : -1) * 2 ** -bits),
        exact,
        { squares: squares(8) },
        'tf32',
      );
    expect(shortened(-0.99 * 2 ** -9, 10.5)).to.include({ verdict: 'pass', arithmetic: 'tf32-or-float16' });
    expect(shortened(-0.99 * 2 ** -9, 10.5).bits).to.be.closeTo(10.5, 0.05);
    expect(shortened(-0.99 * 2 ** -9, 9.5)).to.include({ verdict: 'fail', arithmetic: 'bfloat16' });
    expect(shortened(-1.03 * 2 ** -9, 10.5)).to.include({ verdict: 'fail', arithmetic: 'bfloat16' });
    expect(shortened(2 ** -9, 10.5)).to.include({ verdict: 'fail', arithmetic: 'bfloat16' });
  });
});

describe('the judge: convolutions by a transform', () => {
  const normwise =
    (limit: number, square = 1) =>
    () => ({ bound: all(2, limit), squares: all(2, square) });
  const about = (limit: number, square = 1, noise = 1) => ({
    squares: squares(2, { total: 1e-6, products: 1e-6, noise }),
    normwise: normwise(limit, square),
  });

  it('beyond the bound of sums of products, within both added: suspicious, by name', () => {
    const found = judged([1, 3.9], [1, 2], about(1));
    expect(found).to.include({ verdict: 'suspicious', named: NORMWISE, beyond: 0 });
    expect(found.reason).to.equal(`1 of 2 values beyond the bound; within another: ${NORMWISE}`);
    expect(judged([1, 4.1], [1, 2], about(1))).to.include({ verdict: 'fail', named: null, beyond: 1 });
    expect(judged([1, 2.9], [1, 2], about(1))).to.include({ verdict: 'pass', named: null });
  });

  it('its bits are measured by the larger of both magnitudes', () => {
    // an error of 1.5 in one of two, of a magnitude of 2¹⁶: −½·log₂(1.125/2³²) = 15.9 bits; of 2¹⁵ 14.9
    expect(judged([1, 3.5], [1, 2], about(1, 2 ** 32, 1e-30)).bits).to.be.closeTo(15.915, 1e-3);
    expect(judged([1, 3.5], [1, 2], about(1, 2 ** 30, 1e-30))).to.include({ verdict: 'fail', named: null });
  });
});

describe('distances', () => {
  it('−0 equals +0; NaN and infinities equal themselves alone', () => {
    expect([distance(-0, 0), distance(NaN, NaN), distance(Infinity, Infinity), distance(1, 3)]).to.deep.equal(
      [0, 0, 0, 2],
    );
    expect([distance(NaN, 1), distance(1, NaN), distance(Infinity, -Infinity)]).to.deep.equal([
      Infinity,
      Infinity,
      Infinity,
    ]);
  });

  it('over a bound that is no number they are infinite', () => {
    expect([overRatio(1, NaN, false), overRatio(0, NaN, false), overRatio(1, 4, false)]).to.deep.equal([
      Infinity,
      0,
      0.25,
    ]);
  });

  it('the accumulated error is ‖y − o‖ / ‖o‖', () => {
    expect(relativeDifference(column([3, 4.5]), column([3, 4]))).to.equal(0.1);
    expect(relativeDifference(column([3, 4]), column([3, 4]))).to.equal(0);
    expect(relativeDifference(column([3, 4]), column([3]))).to.equal(Infinity);
    expect(relativeDifference(column([3, 4.5, Infinity]), column([3, 4, Infinity]))).to.equal(0.1);
  });
});
