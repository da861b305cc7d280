import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as math from '../../reference/math.ts';
import { normalQuantile } from '../../reference/random.ts';

/** x, the double nearest to f(x), and what is missing to f(x) in units of its last place. */
type Point = [x: number, y: number, remainder: number];
const file = new URL('../../fixtures/math/points.json', import.meta.url);
const points: Record<string, Point[]> = JSON.parse(readFileSync(file, 'utf8'));

/** Distance between neighbouring doubles at y. */
function ulp(y: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(y))), -1022);
  const size = Math.abs(y) < 2 ** exponent ? exponent - 1 : exponent;
  return 2 ** Math.max(size - 52, -1074);
}

function worst(name: string, f: (x: number) => number): { error: number; at: number } {
  let [error, at] = [0, 0];
  for (const [x, y, remainder] of points[name]) {
    const distance = Math.abs((f(x) - y) / ulp(y) - remainder);
    if (!(distance <= error)) [error, at] = [distance, x];
  }
  return { error, at };
}

describe('reference/math', () => {
  /** Largest error, in ULP, of each function on the points of arbitrary precision (fixtures/math/make.py). */
  const limits: [string, (x: number) => number, number][] = [
    ['exp', math.exp, 1],
    ['expm1', math.expm1, 1],
    ['log', math.log, 1],
    ['tanh', math.tanh, 2.5],
    ['sigmoid', math.sigmoid, 3],
    // in units of u, half the largest spacing and at most one ULP: root 1, root of root ½ + 1, product 1, quotient 1
    ['invPow 0.75', (s) => math.invPow(s, 0.75), 4.5],
    ['invPow 0.5', (s) => math.invPow(s, 0.5), 2],
    ['invPow 1', (s) => math.invPow(s, 1), 0.5],
    // β·log s carries 1.5 ULP, which exp turns into |β·log s|·1.5 (s ≤ 1e9: below 19) and adds its own
    ['invPow 0.6', (s) => math.invPow(s, 0.6), 20],
    // Wichura: relative accuracy about 1 in 10¹⁶, before rounding errors
    ['normalQuantile', normalQuantile, 8],
  ];
  for (const [name, f, limit] of limits) {
    it(`${name} is within ${limit} ULP of arbitrary precision`, function () {
      const { error, at } = worst(name, f);
      this.test!.title += ` (${points[name].length} points, worst ${error.toFixed(3)} at ${at})`;
      expect(error).to.be.at.most(limit);
    });
  }

  it('special values are those of IEEE 754 recommended operations', () => {
    const { exp, expm1, log, tanh, sigmoid } = math;
    for (const f of [exp, expm1, log, tanh, sigmoid]) expect(f(NaN)).to.be.NaN;
    const expected: [(x: number) => number, number, number][] = [
      [exp, Infinity, Infinity],
      [exp, -Infinity, 0],
      [exp, -0, 1],
      [exp, 710, Infinity],
      [exp, -746, 0],
      [exp, -745, 5e-324],
      [expm1, Infinity, Infinity],
      [expm1, -Infinity, -1],
      [expm1, 0, 0],
      [expm1, -0, -0],
      [expm1, 5e-324, 5e-324],
      [log, Infinity, Infinity],
      [log, 0, -Infinity],
      [log, -0, -Infinity],
      [log, -1, NaN],
      [log, -Infinity, NaN],
      [log, 1, 0],
      [tanh, Infinity, 1],
      [tanh, -Infinity, -1],
      [tanh, -0, -0],
      [sigmoid, Infinity, 1],
      [sigmoid, -Infinity, 0],
      [sigmoid, 0, 0.5],
    ];
    for (const [f, x, y] of expected) {
      expect(Object.is(f(x), y), `${f.name}(${x}) = ${f(x)}, should be ${y}`).to.equal(true);
    }
  });

  it('invPow of 0 and of infinity are the limits', () => {
    for (const beta of [0.75, 0.5, 1, 0.6]) {
      expect(math.invPow(0, beta)).to.equal(Infinity);
      expect(math.invPow(Infinity, beta)).to.equal(0);
    }
    expect(math.invPow(0, 0)).to.equal(1);
    expect(math.invPow(7, 0)).to.equal(1);
  });
});
