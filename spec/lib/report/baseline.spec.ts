import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { difference, margin, readBaseline } from '../../../lib/report/baseline.ts';
import { differenceText } from '../../../lib/report/reports.ts';
import type { Comparison } from '../../../lib/verify/compare.ts';
import { verificationJson } from '../../../lib/verify/json.ts';
import { normals } from '../../../reference/random.ts';
import { comparison, row, verification } from '../../support/verification.ts';

describe('a baseline', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const saved = (text: string): string => {
    const file = join(folder, 'baseline.json');
    writeFileSync(file, text);
    return file;
  };
  const of = (change: Partial<Comparison>) =>
    verification([row('conv1', { introduced: comparison(change) })]);

  async function lost(before: Partial<Comparison>, now: Partial<Comparison>): Promise<string> {
    const baseline = await readBaseline(saved(JSON.stringify(verificationJson(of(before)))));
    return difference(baseline, of(now)).layers[0].lost;
  }

  it('other values and as many bits are no loss', async () => {
    expect(await lost({}, { maxError: 5, relativeError: 3e-7, bits: 21.5, overBound: 0.4 })).to.equal('');
    expect(await lost({ bits: 12 }, { bits: 23 })).to.equal('');
  });

  it('fewer bits are a loss, by more than chance and the width of SIMD explain', async () => {
    expect(await lost({ bits: 22.7 }, { bits: 19.6 })).to.match(
      /^19\.6 effective bits, 22\.7 in the baseline/,
    );
    expect(await lost({ bits: 22.7 }, { bits: 22.7 - margin(100_000) - 1e-9 })).not.to.equal('');
    expect(await lost({ bits: 22.7 }, { bits: 22.7 - margin(100_000) + 1e-9 })).to.equal('');
  });

  it('error over bound may grow eightfold, but not from nothing; NaN is a loss', async () => {
    const noBits = { bits: null, arithmetic: null };
    expect(await lost({ ...noBits, overBound: 0.01 }, { ...noBits, overBound: 0.08 })).to.equal('');
    expect(await lost({ ...noBits, overBound: 0.01 }, { ...noBits, overBound: 0.081 })).to.match(
      /error\/bound/,
    );
    expect(await lost({ ...noBits, overBound: 0 }, { ...noBits, overBound: 1e-9 })).to.match(
      /exact in the base/,
    );
    expect(await lost({}, { overBound: Number.NaN })).to.match(/NaN/);
    expect(await lost({}, { overBound: Number.POSITIVE_INFINITY })).to.match(/Infinity/);
  });

  it('bits that speak of the bias alone are not compared', async () => {
    expect(await lost({ bits: 25, arithmetic: 'undetermined' }, { bits: 20 })).to.equal('');
  });

  it('a layer that is no longer compared is a loss, a new one is not', async () => {
    const two = verification([row('conv1'), row('conv2')]);
    const baseline = await readBaseline(saved(JSON.stringify(verificationJson(two))));
    const found = difference(baseline, verification([row('conv1'), row('conv3')]));
    expect(found.lost).to.deep.equal(['conv2']);
    expect(found.layers.map(({ layer }) => layer)).to.deep.equal(['conv1', 'conv3', 'conv2']);
    expect(differenceText(found)).to.match(/^conv2: no longer compared\nLOST BITS: 1 of 3 layers/);
  });

  it('the margin covers what chance does to the bits of few elements with heavy tails', () => {
    // errors that are products of two normal numbers: κ = 9
    for (const n of [10, 100, 1000]) {
      const bits: number[] = [];
      for (let run = 0; run < 300; run++) {
        const z = normals(run, n, 2 * n);
        let sum = 0;
        for (let i = 0; i < n; i++) sum += (z[i] * z[n + i]) ** 2;
        bits.push(-0.5 * Math.log2(sum / n));
      }
      // twice a few elements' errors being small at once is what looks like lost bits: compare with the mean of all
      const mean = -0.5 * Math.log2(bits.reduce((sum, b) => sum + 4 ** -b, 0) / bits.length);
      expect(mean - Math.min(...bits), `${n} elements`).to.be.below(margin(n));
    }
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['no JSON', 'PASS', /it is not JSON/],
    ['an array', '[]', /an object is missing/],
    ['another version', '{"version":2}', /its version is 2, this program reads 1/],
    ['no layers', '{"version":1,"network":"a","device":"cpu"}', /layers are missing/],
    [
      'a layer in words',
      '{"version":1,"network":"a","device":"cpu","layers":["conv1"]}',
      /an object is missing/,
    ],
    [
      'bits in words',
      '{"version":1,"network":"a","device":"cpu","layers":[{"layer":"c","verdict":"pass","introduced":{"bits":"many"}}]}',
      /c has "many" where a number stands/,
    ],
  ];
  for (const [what, text, message] of wrong) {
    it(`${what}: refused in one line that names the file`, async () => {
      const error = await readBaseline(saved(text)).then(
        () => expect.fail('it was read'),
        (e: Error) => e,
      );
      expect(error).to.be.instanceOf(InputError);
      expect(error.message).to.match(message).and.to.include('baseline.json').and.not.to.include('\n');
    });
  }

  it('of another network: refused', async () => {
    const other = verification([row('conv1')], { network: 'caffenet' });
    const baseline = await readBaseline(saved(JSON.stringify(verificationJson(other))));
    expect(() => difference(baseline, verification([row('conv1')]))).to.throw(
      InputError,
      /caffenet, not on bvlc/,
    );
  });
});
