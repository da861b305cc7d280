import { expect } from 'chai';
import {
  duration,
  megabytes,
  percent,
  ratio,
  right,
  scientific,
  table,
  thousands,
} from '../../../lib/report/table.ts';

describe('lib/report/table', () => {
  it('times by their two largest units', () => {
    const of: [number, string][] = [
      [0, '0 s'],
      [0.4, '0 s'],
      [0.5, '1 s'],
      [59.4, '59 s'],
      [59.6, '1 min 0 s'],
      [250, '4 min 10 s'],
      [3599, '59 min 59 s'],
      [3600, '1 h 0 min'],
      [12_000, '3 h 20 min'],
      [86_399, '23 h 59 min'],
      [86_400, '1 d 0 h'],
      [183_600, '2 d 3 h'],
    ];
    for (const [seconds, text] of of) expect(duration(seconds)).to.equal(text);
  });

  it('numbers as people read them', () => {
    expect(thousands(60_965_224)).to.equal('60,965,224');
    expect([243_860_896, 49_999].map(megabytes)).to.deep.equal(['243.9 MB', '0.0 MB']);
    expect([0.413, 1, 0, null].map(percent)).to.deep.equal(['41.30 %', '100.00 %', '0.00 %', '–']);
    expect([0, 1.26e-7, -3].map(scientific)).to.deep.equal(['0', '1.3e-7', '-3.0e+0']);
    expect([0, 0.001, 0.000999, 0.12345, 999.9, 1000].map(ratio)).to.deep.equal([
      ...['0', '0.0010', '1.0e-3', '0.12', '1.0e+3', '1.0e+3'],
    ]);
  });

  it('columns as wide as their widest cell, two spaces apart, numbers to the right, nothing behind', () => {
    const rows = [
      ['conv1', '1'],
      ['x', '1,000,000'],
    ];
    expect(table(['layer', right('parameters')], rows)).to.equal(
      'layer  parameters\nconv1           1\nx       1,000,000',
    );
    expect(table(['a', 'b'], [['x', '']])).to.equal('a  b\nx');
  });
});
