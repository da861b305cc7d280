import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { layerDetails } from '../../../lib/judge/details.ts';
import type { Comparison } from '../../../lib/judge/judge.ts';
import { margin, readBaseline, sinceBaseline } from '../../../lib/report/baseline.ts';
import { verificationJson } from '../../../lib/report/reports.ts';
import { differenceText } from '../../../lib/report/terminal.ts';
import type { VerifyResult } from '../../../lib/verify/index.ts';
import type { Kind } from '../../../reference/networks/layers.ts';
import { normals } from '../../../reference/random.ts';
import { tensor } from '../../../reference/tensor.ts';
import { comparison, row, verification } from '../../support/verification.ts';

const one = tensor(Float32Array.of(1), [1, 1]);
const details = layerDetails(one, one, { bound: Float64Array.of(1) }, false);

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
  /** A run of one layer; its details say which share the products have. */
  const of = (change: Partial<Comparison>, kind: Kind = 'conv2d', share = 1) =>
    verification([row('conv1', { kind, introduced: comparison(change), details: { ...details, share } })]);

  async function lost(before: VerifyResult, now: VerifyResult): Promise<string> {
    const baseline = await readBaseline(saved(JSON.stringify(verificationJson(before))));
    return sinceBaseline(baseline, now).layers[0].lost;
  }
  const noBits = { bits: null, arithmetic: null };
  const grown = (kind: Kind, before: number, now: number): Promise<string> =>
    lost(of({ ...noBits, overBound: before }, kind), of({ ...noBits, overBound: now }, kind));

  it('other values and as many bits are no loss', async () => {
    const other = of({ maxError: 5, relativeError: 3e-7, bits: 21.5, overBound: 0.4 });
    expect(await lost(of({}), other)).to.equal('');
    expect(await lost(of({ bits: 12 }), of({ bits: 23 }))).to.equal('');
  });

  it('fewer bits are a loss, by more than chance and the width of SIMD explain', async () => {
    const bits = (now: number) => lost(of({ bits: 22.7 }), of({ bits: now }));
    expect(await bits(19.6)).to.match(/^19\.6 effective bits, 22\.7 in the baseline/);
    expect(await bits(22.7 - margin(100_000) - 1e-9)).not.to.equal('');
    expect(await bits(22.7 - margin(100_000) + 1e-9)).to.equal('');
    expect(await bits(Number.NEGATIVE_INFINITY)).not.to.equal('');
  });

  it('bits above those of correctly rounded results need not be kept', async () => {
    expect(await lost(of({ bits: 53 }), of({ bits: 24 }))).to.equal('');
    expect(await lost(of({ bits: 53 }), of({ bits: 23 }))).not.to.equal('');
  });

  it('where the products have gained over the bias, their errors may have grown with them', async () => {
    const run = (share: number) =>
      lost(of({ bits: 24.5 }, 'conv2d', 0.1), of({ bits: 22.5 }, 'conv2d', share));
    expect(await run(0.1)).not.to.equal('');
    expect(await run(0.8)).to.equal('');
  });

  it('error over bound may grow eightfold, softmax from an eighth of its bound on; NaN is a loss', async () => {
    expect(await grown('lrn', 0.02, 0.16)).to.equal('');
    expect(await grown('lrn', 0.02, 0.161)).to.equal('error/bound 0.16, 0.020 in the baseline');
    expect(await grown('lrn', 0, 0.12)).to.equal('');
    expect(await grown('softmax', 1e-14, 0.7)).to.equal('');
    expect(await grown('softmax', 1e-14, 1.1)).not.to.equal('');
    expect(await grown('avgpool', 0.1, Number.NaN)).to.match(/NaN/);
    expect(await grown('avgpool', 0.1, Number.POSITIVE_INFINITY)).to.match(/Infinity/);
  });

  it('what was exact must stay exact, on the same device', async () => {
    expect(await grown('relu', 0, 1e-9)).to.match(/exact in the baseline/);
    const elsewhere = { ...of({ ...noBits, overBound: 1e-9 }, 'relu'), device: 'webgpu' } as const;
    expect(await lost(of({ ...noBits, overBound: 0 }, 'relu'), elsewhere)).to.equal('');
  });

  it('bits that speak of the bias alone are not compared', async () => {
    expect(await lost(of({ bits: 25, arithmetic: 'undetermined' }), of({ bits: 20 }))).to.equal('');
  });

  it('other widths are refused', async () => {
    const narrow = verification([row('conv1', { shape: [1, 8, 55, 55] })]);
    const error = await lost(narrow, of({})).catch((e: Error) => e);
    expect(error).to.be.instanceOf(InputError);
    expect((error as Error).message).to.match(/its conv1 is 8×55×55, here it is 96×55×55$/);
    const batch = verification([row('conv1', { shape: [7, 96, 55, 55] })]);
    expect(await lost(batch, of({}))).to.equal('');
  });

  it('a layer that is no longer compared is a loss, a new one is not', async () => {
    const two = verification([row('conv1'), row('conv2')]);
    const baseline = await readBaseline(saved(JSON.stringify(verificationJson(two))));
    const found = sinceBaseline(baseline, verification([row('conv1'), row('conv3')]));
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
      '{"version":1,"network":"a","device":"cpu","layers":[{"layer":"c","verdict":"pass","shape":[1,2],"introduced":{"bits":"many"}}]}',
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
    expect(() => sinceBaseline(baseline, verification([row('conv1')]))).to.throw(
      InputError,
      /caffenet, not on bvlc/,
    );
  });
});
