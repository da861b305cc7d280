import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import {
  addPlanar,
  colours,
  imagenetPrincipal,
  moments,
  type Principal,
  principal,
} from '../../../reference/input/pca.ts';
import { expected, shared } from '../../support/golden-pictures.ts';

const arrays = expected();
const rows = (key: string): number[][] => {
  const values = arrays.get(`pca/${key}`)!.data as Float64Array;
  return [0, 1, 2].map((i) => Array.from(values.subarray(3 * i, 3 * i + 3)));
};

/** Eigenvalues and, up to their sign, eigenvectors, to the relative precision. */
function expectSame(
  found: Principal,
  values: readonly number[],
  vectors: readonly (readonly number[])[],
  to: number,
) {
  for (let i = 0; i < 3; i++) {
    expect(found.eigenvalues[i] / values[i]).to.be.closeTo(1, to);
    const dot = found.eigenvectors[i].reduce((sum, value, c) => sum + value * vectors[i][c], 0);
    expect(Math.abs(dot)).to.be.closeTo(1, to);
    const largest = found.eigenvectors[i].reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
    expect(largest).to.be.above(0);
  }
}

describe('reference/pca', () => {
  const pixels = arrays.get('pca/pixels')!.data as Uint8Array;

  it("has numpy's mean, covariance and eigenvectors of 400 colours", () => {
    const sums = moments();
    for (const [first, count] of [
      [0, 100],
      [100, 300],
    ]) {
      const planes = new Uint8Array(3 * count).map(
        (_, i) => pixels[3 * (first + (i % count)) + Math.floor(i / count)],
      );
      addPlanar(sums, planes, count);
    }
    const { mean, covariance } = colours(sums);
    expect(mean).to.have.length(3);
    const wanted = arrays.get('pca/mean')!.data as Float64Array;
    // ΣRR/n − mean² loses about mean²/variance ≈ 30 of 2⁵³
    for (let i = 0; i < 3; i++) {
      expect(mean[i]).to.be.closeTo(wanted[i], 1e-12);
      for (let j = 0; j < 3; j++) expect(covariance[i][j] / rows('covariance')[i][j]).to.be.closeTo(1, 1e-12);
    }
    const values = arrays.get('pca/eigenvalues')!.data as Float64Array;
    expectSame(principal(covariance), Array.from(values), rows('eigenvectors'), 1e-11);
  });

  it('solves matrices that need no rotation, or a single one', () => {
    expect(principal([[3]])).to.deep.equal({ eigenvalues: [3], eigenvectors: [[1]] });
    const diagonal = principal([
      [5, 0],
      [0, 2],
    ]);
    expect(diagonal).to.deep.equal({
      eigenvalues: [2, 5],
      eigenvectors: [
        [0, 1],
        [1, 0],
      ],
    });
    const { eigenvalues } = principal([
      [2, 1],
      [1, 2],
    ]);
    expect(eigenvalues[0]).to.be.closeTo(1, 1e-15);
    expect(eigenvalues[1]).to.be.closeTo(3, 1e-15);
  });

  it('carries the ImageNet components of the released source: unit vectors at right angles, to four digits', () => {
    const { eigenvectors: v } = imagenetPrincipal;
    const dot = (a: readonly number[], b: readonly number[]) =>
      a.reduce((sum, value, c) => sum + value * b[c], 0);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) expect(dot(v[i], v[j])).to.be.closeTo(i === j ? 1 : 0, 2e-4);
    }
  });

  it('refuses no pixels and what is not symmetric', () => {
    expect(() => colours(moments())).to.throw('there are no pixels');
    expect(() => principal([[1, 2]])).to.throw('square and symmetric');
    const skew = [
      [1, 2],
      [3, 4],
    ];
    expect(() => principal(skew)).to.throw('square and symmetric');
  });

  describe('on CIFAR-10', () => {
    before(function () {
      if (existsSync(shared('cifar10/rgb_pca.json'))) return;
      console.log('    skipped: ../shared/data/cifar10 is not there');
      this.skip();
    });

    it("finds the published covariance's eigenvectors", () => {
      const wanted = JSON.parse(readFileSync(shared('cifar10/rgb_pca.json'), 'utf8'));
      const columns = [0, 1, 2].map((i) => wanted.eigenvectors.map((row: number[]) => row[i]));
      expectSame(principal(wanted.covariance), wanted.eigenvalues, columns, 1e-11);
    });

    it('has nearly the moments of all 50,000 training images in the first 10,000', () => {
      const wanted = JSON.parse(readFileSync(shared('cifar10/rgb_pca.json'), 'utf8'));
      const records = readFileSync(shared('cifar10/data_batch_1.bin'));
      const sums = moments();
      for (let at = 0; at < records.length; at += 3073)
        addPlanar(sums, records.subarray(at + 1, at + 3073), 1024);
      const { mean, covariance } = colours(sums);
      for (let i = 0; i < 3; i++) {
        // a fifth of the images: their mean colours spread by about 35, so the mean's standard error is 0.35
        expect(mean[i]).to.be.closeTo(wanted.mean[i], 1.5);
        for (let j = 0; j < 3; j++) expect(covariance[i][j] / wanted.covariance[i][j]).to.be.closeTo(1, 0.05);
      }
    });
  });
});
