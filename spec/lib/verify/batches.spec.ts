/** Parts of batches, batches of parts, and the worst of what was found image by image. */
import { expect } from 'chai';
import type { NumericValue, Value } from '../../../lib/array/value.ts';
import { batchesOf, imagesOf, joinedBatches, worstOf } from '../../../lib/verify/batches.ts';
import type { LayerRow, RunReport, Verification } from '../../../lib/verify/verification.ts';
import { t } from '../../support/hand.ts';
import { f32, i64 } from '../../support/onnx.ts';
import { comparison, failed, row, verification } from '../../support/verification.ts';

const numbers = (value: Value | undefined) => [value!.shape, Array.from(value!.data as Float32Array, Number)];
const five = f32([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [5, 2]) as NumericValue;

describe('parts of a batch', () => {
  const parts = (batch: number | undefined) =>
    [...batchesOf(new Map<string, Value>([['x', five]]), batch)].map((feeds) => numbers(feeds.get('x')));

  it('so many images at a time, the last what is left', () => {
    expect(parts(2)).to.deep.equal([
      [
        [2, 2],
        [1, 2, 3, 4],
      ],
      [
        [2, 2],
        [5, 6, 7, 8],
      ],
      [
        [1, 2],
        [9, 10],
      ],
    ]);
    expect(parts(4).map(([shape]) => shape)).to.deep.equal([
      [4, 2],
      [1, 2],
    ]);
    for (const all of [5, 6, undefined]) expect(parts(all)).to.deep.equal([numbers(five)]);
    expect([...batchesOf(new Map(), 2)]).to.have.lengthOf(1);
  });

  it('and put together again, in their type', () => {
    expect(numbers(imagesOf(five, 3, 1))).to.deep.equal([
      [1, 2],
      [7, 8],
    ]);
    expect(numbers(joinedBatches([imagesOf(five, 4, 1), imagesOf(five, 0, 2)]))).to.deep.equal([
      [3, 2],
      [9, 10, 1, 2, 3, 4],
    ]);
    const whole = joinedBatches([i64([1, 2], [2, 1]), i64([3], [1, 1])]);
    expect(whole).to.deep.equal(i64([1, 2, 3], [3, 1]));
    expect(joinedBatches([five])).to.equal(five);
  });
});

describe('the worst of images that were judged one by one', () => {
  const one = (rows: readonly LayerRow[], change: Partial<Verification> = {}): Verification => ({
    ...verification(rows),
    input: [1, 3, 4, 4],
    values: { device: new Map([['input', t([1, 2], 1, 2)]]), oracle: new Map([['input', t([1, 2], 3, 4)]]) },
    ...change,
  });
  const over = (overBound: number, change: Partial<LayerRow> = {}): LayerRow =>
    row('a', { shape: [1, 2], introduced: comparison({ overBound }), ...change });
  const run = (verdict: RunReport['verdict'], reason: string): RunReport => ({
    ...verification([]).runs[0],
    verdict,
    reason,
  });

  it('one image is itself', () => {
    const alone = one([over(0.5)]);
    expect(worstOf([alone])).to.equal(alone);
  });

  it('each layer as the worst image has it, its number in front', () => {
    const found = worstOf([
      one([over(0.5), failed('b', 'too far')]),
      one([over(0.75), row('b')]),
      one([over(0.25), row('b', { verdict: 'suspicious', reason: 'odd' })]),
    ]);
    expect(found.layers.map(({ shape }) => shape)).to.deep.equal([
      [3, 2],
      [3, 96, 55, 55],
    ]);
    const [a, b] = found.layers;
    expect(a).to.deep.include({ verdict: 'pass', reason: '' });
    expect(a.introduced).to.deep.include({ overBound: 0.75 });
    expect(a.introduced!.worst!.index).to.deep.equal([1, 1]);
    expect(b).to.deep.include({ verdict: 'fail', reason: 'image 0: too far' });
    expect(found.verdict).to.equal('fail');
    expect(found.first).to.equal('b');
    expect(found.input).to.deep.equal([3, 3, 4, 4]);
    expect([...found.values.device.get('input')!.data]).to.deep.equal([1, 2, 1, 2, 1, 2]);
    expect([...found.values.oracle.get('input')!.data]).to.deep.equal([3, 4, 3, 4, 3, 4]);
  });

  it('by verdict first: fail, suspicious, pass, untested', () => {
    const order = ['untested', 'pass', 'suspicious', 'fail'] as const;
    for (const [i, better] of order.entries())
      for (const worse of order.slice(i + 1)) {
        const rows = [over(9, { verdict: better }), over(0.1, { verdict: worse })];
        for (const each of [rows, [...rows].reverse()])
          expect(worstOf(each.map((r) => one([r]))).layers[0].verdict).to.equal(worse);
        const runs = [run(better, 'this'), run(worse, 'that')];
        const [found] = worstOf(runs.map((r) => one([over(0)], { runs: [r] }))).runs;
        expect(found).to.deep.include({ verdict: worse, reason: 'image 1: that' });
      }
    const same = worstOf([
      one([over(0)], { runs: [run('fail', 'a')] }),
      one([over(0)], { runs: [run('fail', 'b')] }),
    ]);
    expect(same.runs.map(({ reason }) => reason)).to.deep.equal(['image 0: a']);
    const nothing = row('a', { introduced: null });
    expect(worstOf([one([nothing]), one([over(0.1)])]).layers[0].introduced?.overBound).to.equal(0.1);
    expect(worstOf([one([nothing]), one([nothing])]).layers[0].introduced).to.equal(null);
  });

  it('why and evidence are the first failing image’s, the margin the likeliest to fall', () => {
    const worst = { index: [0, 3], device: 1, oracle: 2, error: 1, bound: 0.5 };
    const why = { layer: 'a', worst } as unknown as Verification['why'];
    const evidence = { layer: 'a' } as unknown as Verification['evidence'];
    const margin = (probability: number) => ({ image: 0, probability }) as unknown as Verification['margin'];
    const found = worstOf([
      one([over(0)], { margin: margin(0.1) }),
      one([over(0)], { why, evidence, first: 'a', margin: margin(0.3) }),
      one([over(0)], { why: { ...why!, layer: 'z' }, first: 'z', margin: margin(0.2) }),
    ]);
    expect(found.why).to.deep.equal({ layer: 'a', worst: { ...worst, index: [1, 3] } });
    expect(found.evidence).to.equal(evidence);
    expect(found.first).to.equal('a');
    expect(found.margin).to.deep.equal({ image: 1, probability: 0.3 });
    const none = worstOf([one([over(0)]), one([over(0)])]);
    expect([none.why, none.evidence, none.first, none.margin]).to.deep.equal([null, null, null, null]);
    const early = worstOf([one([over(0)]), one([over(0)], { evidence })]);
    expect([early.why, early.evidence]).to.deep.equal([null, evidence]);
  });
});
