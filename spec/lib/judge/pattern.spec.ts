/** How wrong values lie, in words. */
import { expect } from 'chai';
import { patternOf, patternOfImages, patternText } from '../../../lib/judge/pattern.ts';

const shape = [2, 12, 10, 9];
const names = ['image', 'output channel', 'row', 'column'];

/** Of an index [n, k, p, q]. */
type Wrong = (n: number, k: number, p: number, q: number) => boolean;
const pattern = (wrong: Wrong, extents: readonly number[] = shape) =>
  patternOf(extents, (at) => {
    const [, K, P, Q] = extents;
    return wrong(Math.floor(at / (K * P * Q)), Math.floor(at / (P * Q)) % K, Math.floor(at / Q) % P, at % Q);
  });
const said = (wrong: Wrong): string => patternText(pattern(wrong), shape, names);

describe('how the values that are wrong lie', () => {
  for (const [text, wrong] of [
    ['', () => true],
    ['all in output channel 5', (_n, k) => k === 5],
    ['all in image 1', (n) => n === 1],
    ['all in every 4th output channel from 1 to 9', (_n, k) => k % 4 === 1],
    ['all in every 3rd output channel from 0 to 9', (_n, k) => k % 3 === 0],
    ['all in every 2nd column from 1 to 7', (_n, _k, _p, q) => q % 2 === 1],
    ['all in output channels 3 and 7 of 12', (_n, k) => k === 3 || k === 7],
    ['all in 3 of the output channels 3 to 8', (_n, k) => [3, 4, 8].includes(k)],
    ['all in output channels 6 to 11 of 12', (_n, k) => k >= 6],
    ['all in rows 0 and 9 of 10', (_n, _k, p) => p % 9 === 0],
    ['all in the border', (_n, _k, p, q) => p % 9 === 0 || q % 8 === 0],
    ['all in the outer 2 rows and columns', (_n, _k, p, q) => p < 2 || p > 7 || q < 2 || q > 6],
    [
      'all in image 1, output channel 0, rows 2 to 3 of 10',
      (n, k, p) => n === 1 && k === 0 && (p === 2 || p === 3),
    ],
    ['', (n, k, p, q) => n === 1 && k === 3 && p === 2 && q === 8],
  ] as const satisfies readonly (readonly [string, Wrong])[])
    it(text || 'nothing of what is everywhere, or one value alone', () => {
      expect(said(wrong)).to.equal(text);
    });

  it('from an index on: no value before it, nearly all behind it', () => {
    const tail = (at: number) =>
      patternText(
        patternOf(shape, (i) => i >= at && i % 7 !== 3),
        shape,
        names,
      );
    expect(tail(1080 + 3 * 90 + 26)).to.equal(
      'all in image 1, output channels 3 to 11 of 12, from [1, 3, 2, 8] on',
    );
    expect(tail(100)).to.equal('all from [0, 1, 1, 1] on');
    expect(said((n, k) => n === 0 && k < 3)).to.not.include(' on');
  });

  it('of images that are judged one by one: what holds for all of them', () => {
    const one = [1, ...shape.slice(1)];
    const of = (...wrong: (Wrong | null)[]) => {
      const found = patternOfImages(wrong.map((each) => each && pattern(each, one)));
      return found && patternText(found, [wrong.length, ...shape.slice(1)], names);
    };
    expect(of(null, null)).to.equal(null);
    expect(of(null, (_n, k) => k === 5, null)).to.equal('all in image 1, output channel 5');
    expect(
      of(
        (_n, k) => k === 5,
        (_n, k) => k === 5,
      ),
    ).to.equal('all in output channel 5');
    expect(
      of(
        (_n, k) => k === 5,
        null,
        (_n, k) => k === 7,
      ),
    ).to.equal('all in images 0 and 2 of 3, output channels 5 to 7 of 12');
    expect(of(null, (_n, k, p) => k > 10 && p > 2)).to.include('rows 3 to 9');
    expect(of(null, (_n, k, p, q) => k * 90 + p * 9 + q > 1000)).to.include('from [1, 11, 1, 2] on');
  });
});
