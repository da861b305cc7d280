/** The small parts: map order, subjects, verdicts. */
import { expect } from 'chai';
import { channelsFirst, mapsOf } from '../../../lib/verify/order.ts';
import { disturbed, making, mustBeFinite } from '../../../lib/verify/subject.ts';
import { overall, type RunReport } from '../../../lib/verify/verification.ts';
import { conv, flatten, linear, type Network, relu } from '../../../reference/networks/layers.ts';
import { t } from '../../support/hand.ts';
import { f32 } from '../../support/onnx.ts';
import { row, verification } from '../../support/verification.ts';

describe('the order of maps', () => {
  it('H,W,C becomes C,H,W, each image by itself, in its type and shape', () => {
    // two images of 2 channels, 1×3: c + 10p + 100n
    const last = f32([0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121], [2, 6]);
    const first = channelsFirst(last, [2, 1, 3]);
    expect(first.shape).to.deep.equal([2, 6]);
    expect([...(first.data as Float32Array)]).to.deep.equal([
      0, 10, 20, 1, 11, 21, 100, 110, 120, 101, 111, 121,
    ]);
    const double = { ...last, dtype: 'float64' as const, data: Float64Array.from(last.data as Float32Array) };
    expect(channelsFirst(double, [2, 3, 1]).data).to.be.instanceOf(Float64Array);
    expect([...(channelsFirst(double, [2, 3, 1]).data as Float64Array).slice(0, 3)]).to.deep.equal([
      0, 10, 20,
    ]);
  });

  it('a flattened value has the maps that it was made of; none are behind a fully connected layer', () => {
    const layers = [conv('c', 4, 3), flatten('f'), linear('fc', 5), relu('r')];
    const network = { name: 'n', input: [3, 6, 6], layers } as unknown as Network;
    const shapes = { input: [1, 3, 6, 6], c: [1, 4, 4, 5], f: [1, 80], fc: [1, 5], r: [1, 5] };
    expect([...mapsOf(network, new Map(Object.entries(shapes)))]).to.deep.equal([
      ['input', [3, 6, 6]],
      ['c', [4, 4, 5]],
      ['f', [4, 4, 5]],
      ['fc', []],
      ['r', []],
    ]);
  });
});

describe('subjects', () => {
  it('a computation without the values that nobody wants', () => {
    const told = ['x', 'y', 'z'].map((reason) => ({ verdict: 'pass' as const, reason }));
    const whole = {
      reads: ['i'],
      makes: ['a', 'b', 'c'].map((name) => ({ name, kind: name.toUpperCase() })),
      judge: () => told,
    };
    const part = making(whole, new Set(['a', 'c']));
    expect(part.makes.map(({ name, kind }) => name + kind)).to.deep.equal(['aA', 'cC']);
    expect(part.judge(() => undefined)).to.deep.equal([told[0], told[2]]);
    expect(part.reads).to.deep.equal(['i']);
  });

  it('errors of random signs, others in each draw and for each name; none where none is promised', () => {
    const many = t([64], ...new Array(64).fill(10));
    const errors = new Float64Array(64).fill(0.5);
    errors[3] = Infinity;
    const draw = (n: number, name: string) => [...disturbed(many, errors, n, name).data];
    expect(draw(0, 'a')[3]).to.equal(10);
    const others = draw(0, 'a').filter((_, i) => i !== 3);
    expect(new Set(others)).to.deep.equal(new Set([9.5, 10.5]));
    // 63 fair coins: fewer than 13 of a kind once in a million times
    const up = others.filter((v) => v > 10).length;
    expect(up).to.be.within(13, 50);
    expect(draw(0, 'a')).to.deep.equal(draw(0, 'a'));
    expect(draw(0, 'a')).to.not.deep.equal(draw(1, 'a'));
    expect(draw(0, 'a')).to.not.deep.equal(draw(0, 'b'));
    expect(disturbed(many, undefined, 0, 'a')).to.equal(many);
    expect([...many.data]).to.deep.equal(new Array(64).fill(10));
  });

  it('what is no number is refused with its place', () => {
    for (const [value, said] of [
      [Number.NaN, 'NaN'],
      [Infinity, 'Infinity'],
    ] as const)
      expect(() => mustBeFinite('conv1.bias', t([3], 1, 2, value))).to.throw(
        `conv1.bias holds ${said} at position 2: nothing can be verified`,
      );
    expect(() => mustBeFinite('x', t([2], Number.NaN, 1))).to.throw('x holds NaN at position 0');
    expect(() => mustBeFinite('x', t([2], 0, 3.4e38))).to.not.throw();
  });
});

describe('the verdict on all', () => {
  const rows = (...verdicts: RunReport['verdict'][]) => verdicts.map((verdict) => row('l', { verdict }));
  const run = (verdict: RunReport['verdict']): RunReport => ({ ...verification([]).runs[0], verdict });

  it('fails with any layer or run; an output that is untested leaves all untested; else any suspicion counts', () => {
    expect(overall(rows('pass', 'fail', 'untested'))).to.equal('fail');
    expect(overall(rows('pass'), [run('pass'), run('fail')])).to.equal('fail');
    expect(overall(rows('suspicious', 'untested'))).to.equal('untested');
    expect(overall(rows('pass', 'pass', 'untested'))).to.equal('untested');
    expect(overall(rows('pass', 'untested', 'pass'))).to.equal('pass');
    expect(overall(rows('untested', 'suspicious', 'pass'))).to.equal('suspicious');
    expect(overall(rows('untested', 'pass'), [run('suspicious')])).to.equal('pass');
    expect(overall([])).to.equal('pass');
  });
});
