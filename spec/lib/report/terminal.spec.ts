import { expect } from 'chai';
import { patternOf } from '../../../lib/judge/pattern.ts';
import { annotations, stepSummary } from '../../../lib/report/github.ts';
import { htmlReport } from '../../../lib/report/html.ts';
import { junitXml } from '../../../lib/report/junit.ts';
import { sarifLog } from '../../../lib/report/sarif.ts';
import { whereText } from '../../../lib/report/table.ts';
import { verdictLine, verificationText } from '../../../lib/report/terminal.ts';
import type { LayerRow } from '../../../lib/verify/verification.ts';
import { comparison, failed, row, verification } from '../../support/verification.ts';

describe('what alexnet verify prints', () => {
  const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

  it('a row a layer, and the verdict last', () => {
    const text = verificationText(verification([row('conv1'), row('relu1')]));
    expect(text.split('\n')[0]).to.match(
      /^layer +shape +introduced +accumulated +error\/bound +bits +device +verdict$/,
    );
    expect(text).to.match(/^conv1 +96×55×55 +1\.0e-7 +2\.0e-7 +0\.25 +22\.0 +CPU +ok$/m);
    expect(lastLine(text)).to.equal(
      'PASS: bvlc-alexnet on CPU: all 2 layers agree with the oracle within their bounds, at least 22.0 effective bits (float32)',
    );
  });

  it('what rounding means for the answer, in numbers, on the terminal and in the summary', () => {
    const classes = [7, 12] as const;
    const margin = { image: 0, classes, margin: 3.2, standardError: 0.0042, probability: 2.4e-5 };
    const told = verification([row('conv1')], { margin });
    const said = 'class 7 leads 12 by 3.20, rounding moves that by 4.2e-3 (one standard error)';
    expect(verificationText(told)).to.include(`the answer: ${said}: the chance that it changes the class`);
    expect(stepSummary(told).replaceAll('\\', '')).to.include(said);
    expect(stepSummary(verification([row('conv1')]))).not.to.include('leads');
  });

  it('the first layer that failed is named, with its worst element', () => {
    const text = verificationText(
      verification([row('conv1'), failed('norm1', 'off'), failed('conv2', 'too')]),
    );
    expect(lastLine(text)).to.match(/^FAIL: .*: norm1 and 1 more disagree with the oracle: off$/);
    expect(text).to.match(/^norm1: worst at \[0, 1\]: 1 on the device, 1\.0000001 in the oracle/m);
    expect(text).to.match(/^norm1 .*FAIL: off$/m);
  });

  it("an engine's own bound is named where it was enough, and only there", () => {
    const [named, note] = ['a running sum', /^norm1: beyond what any other kernel would show/m];
    const kept = { ...row('norm1'), introduced: comparison({ named }) };
    expect(verificationText(verification([kept]))).to.match(note);
    const broken = { ...kept, verdict: 'fail' as const, introduced: comparison({ named, beyond: 3 }) };
    expect(verificationText(verification([broken]))).to.not.match(note);
  });

  it('what is wrong only when optimised is said so', () => {
    const run = {
      graph: 'untouched',
      optimised: true,
      level: 'all',
      verdict: 'fail',
      reason: 'off',
      first: 'prob',
    } as const;
    const result = verification([row('prob')], {
      verdict: 'fail',
      first: 'prob',
      runs: [verification([]).runs[0], { ...run, unstable: [] }],
    });
    expect(verdictLine(result)).to.match(/FAIL: .*only when the graph is optimised: prob disagrees.*off/);
  });

  it('says where the fault is, in every report', async () => {
    const fault = (wrong: (k: number, p: number) => boolean, change: Partial<LayerRow> = {}) => {
      const { shape, ...rest } = { shape: [1, 6, 8, 4], ...change };
      const pattern = patternOf(shape, (at) => wrong(Math.floor(at / 32), Math.floor(at / 4) % 8));
      const introduced = comparison({ verdict: 'fail', beyond: 9, pattern });
      return row('conv2', { verdict: 'fail', shape, introduced, ...rest });
    };
    const one = fault((k, p) => k === 5 && p > 1 && p < 6, { through: ['relu1', 'pool1'] });
    const said = 'all in output channel 5, rows 2 to 5 of 8';
    expect(whereText(one)).to.equal(said);
    expect(whereText(row('conv2'))).to.equal('');
    expect(whereText(fault((k) => k === 5, { kind: 'gradient of conv2d' }))).to.equal('all in channel 5');
    expect(whereText(fault((k) => k === 5, { kind: 'rows' }))).to.equal('all in row 5');
    expect(whereText({ ...fault((k) => k === 0, { shape: [6, 8, 4] }), kind: 'Conv' })).to.equal(
      'all in axis-0 position 0',
    );
    expect(whereText({ ...one, layer: 'dconv1.weight' })).to.include('input channel 5, kernel rows 2 to 5');
    const result = verification([one]);
    expect(verificationText(result)).to.include(`conv2: ${said}`);
    for (const report of [
      junitXml(result),
      stepSummary(result),
      JSON.stringify(sarifLog(result)),
      await htmlReport(result),
      annotations(result).join(),
    ])
      expect(report).to.include(said).and.include('with relu1 pool1');
  });

  it('the segment that was judged is told of layers that agree or are untested too', async () => {
    const through = ['relu1', 'norm1'];
    const result = verification([
      row('conv2', { through }),
      row('conv3', { verdict: 'untested', reason: 'too small', through }),
      row('prob'),
    ]);
    const texts = [junitXml(result), stepSummary(result), await htmlReport(result), verificationText(result)];
    for (const text of texts) expect(text.match(/with relu1 norm1/g)?.length, text).to.be.at.least(2);
    expect(JSON.stringify(sarifLog(result))).to.include('conv3 with relu1 norm1: too small');
  });

  it('suspicious and untested are words of their own', () => {
    const layers = [row('prob')];
    expect(verdictLine(verification(layers, { verdict: 'suspicious' }))).to.match(/^SUSPICIOUS: /);
    const blind = [row('fc8'), row('prob', { verdict: 'untested', reason: 'constant in the oracle (0.1)' })];
    expect(verdictLine(verification(blind, { verdict: 'untested' }))).to.match(
      /^UNTESTED: .* of the output: prob: constant in the oracle \(0\.1\)$/,
    );
  });

  it('a value that was not judged is not said to agree', () => {
    const reason = 'no bound is known for BatchNormalization: not judged';
    const layers = [row('bn', { verdict: 'untested', reason }), row('prob')];
    expect(verdictLine(verification(layers))).to.match(
      /^PASS: .*: 1 of 2 layers agree with the oracle .*; 1 untested, the last bn: no bound is known/,
    );
  });

  it('bits that speak of the bias are not given as a number', () => {
    const introduced = comparison({ bits: 25, arithmetic: 'undetermined' });
    expect(verificationText(verification([row('fc6', { introduced })]))).to.match(
      /^fc6 .* undetermined +CPU +ok$/m,
    );
  });
});
