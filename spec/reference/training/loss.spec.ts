import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as softmax from '../../../reference/ops/softmax.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import {
  backward,
  errorRate,
  forward,
  hits,
  type Ranking,
  rankings,
} from '../../../reference/training/loss.ts';
import { slopeAt } from '../../support/gradcheck.ts';
import { gamma } from '../../support/operations.ts';

interface LossCase {
  readonly title: string;
  readonly shape: readonly [number, number];
  readonly z: number[];
  readonly labels: number[];
  readonly loss: number;
  readonly losses: number[];
  readonly dz: number[];
  readonly hits: Record<string, Record<Ranking, number[]>>;
}

const { provenance, cases }: { provenance: string; cases: LossCase[] } = JSON.parse(
  readFileSync(new URL('../../../fixtures/training/loss.json', import.meta.url), 'utf8'),
);

describe(`reference/loss on the values of ${provenance}`, () => {
  for (const { title, shape, z, labels, ...wanted } of cases) {
    const Z = tensor(Float64Array.from(z), shape);
    const [N, K] = shape;
    // z − m is rounded (u·|z| in all that follows), the logarithm and K-term sum add K + 4 roundings of at
    // most log K + 1
    const size = Math.max(...z.map(Math.abs), 1);
    const allowed = 2 * gamma(K + 8) * (3 * size + 4);

    it(`loss of each image and the mean: ${title}`, () => {
      const { loss, losses, p } = forward(Z, labels);
      expect(loss).to.be.closeTo(wanted.loss, allowed);
      losses.forEach((v, n) => {
        expect(v, `image ${n}`).to.be.closeTo(wanted.losses[n], allowed);
      });
      expect([...p]).to.deep.equal([...dense(softmax.forward([Z]))]);
    });

    it(`gradient of both together: ${title}`, () => {
      const dz = backward(Z, labels, forward(Z, labels).p);
      dense(dz).forEach((v, i) => {
        expect(v, `element ${i}`).to.be.closeTo(wanted.dz[i], allowed / N);
      });
    });

    it(`hits: ${title}`, () => {
      for (const [k, byRule] of Object.entries(wanted.hits)) {
        for (const rule of rankings) {
          const found = hits(Z, labels, Number(k), rule);
          expect([...found], `${k}, ${rule}`).to.deep.equal(byRule[rule]);
          const mean = 1 - byRule[rule].reduce((sum, v) => sum + v, 0) / N;
          expect(errorRate(Z, labels, Number(k), rule)).to.be.closeTo(mean, 1e-15);
        }
      }
    });
  }
});

describe('reference/loss', () => {
  const z = tensor(Float64Array.of(0.5, -1, 2, 0, 3, -0.25), [2, 3]);
  const labels = [2, 0];

  it('has the closed form for equal logits: log K, and gradient 1/K − onehot', () => {
    const flat = tensor(new Float64Array(8).fill(-7), [2, 4]);
    const { loss, p } = forward(flat, [1, 3]);
    expect(loss).to.be.closeTo(Math.log(4), 2 ** -52);
    expect([...dense(backward(flat, [1, 3], p))]).to.deep.equal([
      0.125, -0.375, 0.125, 0.125, 0.125, 0.125, 0.125, -0.375,
    ]);
  });

  it('the gradient agrees with central differences, and with softmax and −1/(N·p) one after the other', () => {
    const { p } = forward(z, labels);
    const dz = dense(backward(z, labels, p));
    for (let i = 0; i < dz.length; i++) {
      const along = (t: number) =>
        forward(
          tensor(
            new Float64Array(dense(z)).map((v, j) => (j === i ? v + t : v)),
            [2, 3],
          ),
          labels,
        ).loss;
      const { value, uncertainty } = slopeAt(along, 1e-15);
      expect(dz[i]).to.be.closeTo(value, uncertainty);
    }
    const dp = new Float64Array(6);
    labels.forEach((label, n) => {
      dp[n * 3 + label] = -1 / (2 * p[n * 3 + label]);
    });
    const [dx] = softmax.backward(tensor(dp, [2, 3]), [], tensor(p, [2, 3]));
    dense(dx as Tensor).forEach((v, i) => {
      expect(v).to.be.closeTo(dz[i], 1e-15);
    });
  });

  it('is stable: a difference of 1000 costs 1000, a sum beyond the range nothing, shifts change nothing', () => {
    const far = tensor(Float64Array.of(1000, 0, 1e300, 1e300), [2, 2]);
    expect([...forward(far, [1, 0]).losses]).to.deep.equal([1000, Math.log(2)]);
    const shifted = tensor(
      new Float64Array(dense(z)).map((v) => v + 4096),
      [2, 3],
    );
    expect(forward(shifted, labels).loss).to.equal(forward(z, labels).loss);
  });

  it("Caffe's clip: no image costs more than −log FLT_MIN, and the gradient is the same", () => {
    const far = tensor(Float64Array.of(1000, 0, 87, 0), [2, 2]);
    const { losses, p } = forward(far, [1, 1], 'caffe');
    expect(losses[0]).to.be.closeTo(87.3365447505531, 1e-13);
    expect(losses[1]).to.equal(87);
    expect([...p]).to.deep.equal([...forward(far, [1, 1]).p]);
  });

  it('stores dz in float32, rounded once', () => {
    const { p } = forward(z, labels);
    const exact = dense(backward(z, labels, p, 'float64'));
    const stored = dense(backward(z, labels, p, 'float32'));
    expect(stored).to.be.instanceOf(Float32Array);
    expect([...stored]).to.deep.equal([...exact].map(Math.fround));
  });

  it('a NaN score is never right', () => {
    const nan = tensor(Float64Array.of(NaN, 1, 2, 3, NaN, 2), [2, 3]);
    expect(forward(nan, [0, 0]).loss).to.be.NaN;
    for (const rule of rankings) {
      expect([...hits(nan, [0, 0], 1, rule)], rule).to.deep.equal([0, 0]);
      expect([...hits(nan, [2, 2], 2, rule)], rule).to.deep.equal([1, 0]);
    }
  });

  it('refuses what makes no sense', () => {
    expect(() => forward(z, [0])).to.throw('loss: there must be 2 labels (= 1)');
    for (const bad of [3, -1, 0.5, NaN]) {
      expect(() => forward(z, [0, bad])).to.throw(
        `loss: labels must be integers from 0 to 2 (label 1 = ${bad})`,
      );
    }
    expect(() => forward(tensor(new Float64Array(3), [3]), [0])).to.throw('loss: z must have 2 dimensions');
    expect(() => hits(z, labels, 0)).to.throw('loss: k must be a positive integer (= 0)');
  });
});
