import { expect } from 'chai';
import { confusions, counter, wilson } from '../../../lib/evaluate/tally.ts';

describe('lib/evaluate/tally', () => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3 (score, no continuity correction)
  for (const [right, count, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ]) {
    it(`gives Newcombe's published Wilson interval of ${right} in ${count}`, () => {
      const share = wilson(right, count);
      // four printed digits
      expect(share.low).to.be.closeTo(low, 0.5e-4);
      expect(share.high).to.be.closeTo(high, 0.5e-4);
      expect(share.share).to.equal(right / count);
    });
  }

  it('mirrors: as many wrong as right, and all right up to 1', () => {
    const [few, many] = [wilson(15, 148), wilson(133, 148)];
    expect(many.low).to.be.closeTo(1 - few.high, 1e-15);
    expect(many.high).to.be.closeTo(1 - few.low, 1e-15);
    expect(wilson(20, 20).high).to.equal(1);
    expect(wilson(0, 0)).to.deep.equal({ right: 0, count: 0, share: null, low: 0, high: 1 });
  });

  it('counts the first and the first k, the first of equals before the others', () => {
    const { add, tally } = counter(4, 2);
    add([0.1, 0.2, 0.3, 0.4], 3); // first
    add([0.1, 0.2, 0.3, 0.4], 2); // second
    add([0.1, 0.2, 0.3, 0.4], 1); // third
    add([0.25, 0.25, 0.25, 0.25], 0); // first of equals
    add([0.25, 0.25, 0.25, 0.25], 1); // second of equals
    add([0.25, 0.25, 0.25, 0.25], 2); // third of equals
    expect([tally.count, tally.top1, tally.topK]).to.deep.equal([6, 2, 4]);
    expect(confusions(tally, 4)).to.deep.equal([
      { truth: 0, predicted: 0, count: 1 },
      { truth: 1, predicted: 0, count: 1 },
      { truth: 1, predicted: 3, count: 1 },
      { truth: 2, predicted: 0, count: 1 },
      { truth: 2, predicted: 3, count: 1 },
      { truth: 3, predicted: 3, count: 1 },
    ]);
  });

  it('adds up −ln p, of 0 that of the least normal float32', () => {
    const { add, tally } = counter(2, 1);
    add([0.5, 0.5], 1);
    add([0.125, 0.875], 0);
    expect(tally.loss).to.be.closeTo(4 * Math.LN2, 1e-14);
    add([1, 0], 1);
    expect(tally.loss).to.be.closeTo(130 * Math.LN2, 1e-12);
  });

  it('refuses NaN, which would otherwise count as right', () => {
    const { add, tally } = counter(2, 1);
    expect(() => add([Number.NaN, Number.NaN], 0)).to.throw('NaN');
    expect(tally.count).to.equal(0);
  });
});
