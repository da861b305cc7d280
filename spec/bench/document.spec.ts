/** docs/performance.md says what bench/results.json holds. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { filled, type Results, tables } from '../../bench/document.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

describe('docs/performance.md', () => {
  const results: Results = JSON.parse(read('bench/results.json'));
  const text = read('docs/performance.md');

  it('has the tables of bench/results.json, every one of them', () => {
    for (const name of Object.keys(tables(results))) expect(text).to.include(`<!-- ${name} -->`);
    expect(filled(text, results)).to.equal(text);
  });

  it('would not pass with another figure', () => {
    const [row, ...rows] = results.rows!;
    const changed = { ...results, rows: [{ ...row, ratio: row.ratio + 1 }, ...rows] };
    expect(filled(text, changed)).not.to.equal(text);
  });

  it('rests on rows that say network, batch, threads, engine, times and a ratio to onnxruntime-node', () => {
    for (const row of results.rows!) {
      expect(row).to.include.all.keys('network', 'batch', 'threads', 'engine', 'cpuMs', 'wallMs', 'ratio');
      const unit = results.rows!.find(
        ({ network, batch, threads, engine }) =>
          network === row.network && batch === row.batch && threads === 1 && engine === 'onnxruntime-node',
      )!;
      // both were rounded to four digits
      expect(row.ratio / (row.cpuMs / unit.cpuMs)).to.be.closeTo(1, 2e-3);
      expect(row.difference).to.be.below(1e-3);
    }
  });
});
