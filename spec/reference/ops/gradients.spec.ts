/**
 * Gradients of the operations (conv2d and linear: backward.spec.ts): PyTorch's values, differences, wrong
 * variants.
 */
import { expect } from 'chai';
import * as ops from '../../../reference/ops/index.ts';
import { normals, streamOf } from '../../../reference/random.ts';
import { dense, type Shape, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { activations, backwardCases, backwards, gradientDisagreement } from '../../backwards.ts';
import { checkGradient, slopeAt } from '../../support/gradcheck.ts';
import { wrongGradients } from '../../wronggradients.ts';

const bits = (t: Tensor) => [...dense(t)];
const random = (shape: Shape, name: string): Tensor =>
  tensor(normals(7, streamOf(name), sizeOf(shape)), shape);

for (const [name, { run, bounds }] of Object.entries(backwards)) {
  const { cases, provenance } = backwardCases(name);

  describe(`reference/ops/${name} backward`, () => {
    for (const test of cases) {
      it(`agrees with ${provenance}: ${test.title}`, () => {
        expect(gradientDisagreement(test, run(test, test.dy, 'float64'), bounds)).to.equal(null);
      });
    }

    it('stores in float32 the float64 result, rounded once', () => {
      for (const test of cases) {
        const [stored, exact] = (['float32', 'float64'] as const).map((p) => run(test, test.dy, p));
        for (const [of, t] of Object.entries(stored)) {
          expect(t.data).to.be.instanceOf(Float32Array);
          expect(bits(t), test.title).to.deep.equal(bits(exact[of]).map(Math.fround));
        }
      }
    });

    it('refuses a dy of another shape', () => {
      const dy = tensor(new Float64Array(1), [1, 1, 1, 1, 1]);
      const wrong = name === 'dropout' ? 'dropout: the mask must have' : `${name}: dy must be shaped as y`;
      expect(() => run(cases[0], dy, 'float64')).to.throw(wrong);
    });

    for (const { mistake, wrong } of wrongGradients.filter(({ operation }) => operation === name)) {
      it(`a case catches: ${mistake}`, () => {
        const caught = cases.some((test) => gradientDisagreement(test, wrong(test), bounds) !== null);
        expect(caught).to.equal(true);
      });
    }

    it('has at least three known mistakes to catch', () => {
      expect(wrongGradients.filter(({ operation }) => operation === name)).to.have.length.above(2);
    });
  });
}

describe('gradients against central differences of forward', () => {
  const lrn = { size: 4, alpha: 0.3, beta: 0.75, k: 2, divide: false, even: 'below', groups: 2 } as const;
  const mapnorm = { size: 4, alpha: 0.8, beta: 0.6, k: 1, divide: true };
  const window = { kernel: [3, 2], stride: [2, 1], pad: [1, 0, 0, 1], rounding: 'onnx' } as const;
  const x4 = random([2, 6, 5, 4], 'x4');
  const x2 = random([3, 7], 'x2');

  /** Kinks met on the way from x to dx. */
  function kinks(forward: (x: Tensor) => Tensor, backward: (dy: Tensor, x: Tensor) => Tensor, x: Tensor) {
    const dy = random(forward(x).shape, 'dy');
    return checkGradient(forward, x, dy, backward(dy, x));
  }

  it('lrn: an even window, two groups', () => {
    const f = (x: Tensor) => ops.lrn.forward(x, lrn);
    expect(
      kinks(
        (x) => f(x).y,
        (dy, x) => ops.lrn.backward(dy, x, f(x).s, lrn).dx,
        x4,
      ),
    ).to.equal(0);
  });

  it('mapnorm: an even window', () => {
    const f = (x: Tensor) => ops.mapnorm.forward(x, mapnorm);
    expect(
      kinks(
        (x) => f(x).y,
        (dy, x) => ops.mapnorm.backward(dy, x, f(x).s, mapnorm).dx,
        x4,
      ),
    ).to.equal(0);
  });

  it('avgpool, adaptiveavgpool, softmax, tanh, sigmoid: nowhere a kink', () => {
    const average = { ...window, divisor: 'valid' } as const;
    const bins = { size: [4, 3] } as const;
    const found = [
      kinks(
        (x) => ops.avgpool.forward(x, average).y,
        (dy, x) => ops.avgpool.backward(dy, x.shape, average).dx,
        x4,
      ),
      kinks(
        (x) => ops.adaptiveavgpool.forward(x, bins).y,
        (dy, x) => ops.adaptiveavgpool.backward(dy, x.shape, bins).dx,
        x4,
      ),
      ...[activations.softmax, activations.tanh, activations.sigmoid].map(({ forward, backward }) =>
        kinks(
          (x) => forward(x).y,
          (dy, x) => backward(dy, forward(x).y).dx,
          x2,
        ),
      ),
    ];
    expect(found).to.deep.equal([0, 0, 0, 0, 0]);
  });

  it('relu: exactly the zeros are kinks', () => {
    const x = tensor(
      dense(x2).map((v, i) => (i % 5 === 0 ? 0 : v)),
      x2.shape,
    );
    const run = (t: Tensor) => ops.relu.forward(t).y;
    expect(kinks(run, (dy, t) => ops.relu.backward(dy, run(t)).dx, x)).to.equal(5);
  });

  it('maxpool: exactly what ties for a maximum is a kink, whoever gets the gradient', () => {
    const values = Float64Array.from(dense(x4));
    // (0,0,1,1) and (0,0,1,2) are the maxima of their window; (1,2,·,·) is flat
    values[5] = values[6] = 9;
    values.fill(0.25, 8 * 20, 9 * 20);
    const x = tensor(values, x4.shape);
    const f = (t: Tensor) => ops.maxpool.forward(t, window);
    const pool = (rule: ops.maxpool.Ties) =>
      kinks(
        (t) => f(t).y,
        (dy, t) => ops.maxpool.backward(dy, t, f(t).winner, window, rule).dx,
        x,
      );
    expect(pool('first')).to.equal(22);
    expect(pool('every')).to.equal(22);
  });

  it('the check itself fails for a gradient that is off by 1e-6, and sees kinks at and near the point', () => {
    const f = (x: Tensor) => ops.tanh.forward(x).y;
    const dy = random(x2.shape, 'dy');
    const { dx } = ops.tanh.backward(dy, f(x2));
    checkGradient(f, x2, dy, dx);
    const off = Float64Array.from(dense(dx));
    off[4] *= 1 + 1e-6;
    expect(() => checkGradient(f, x2, dy, tensor(off, x2.shape))).to.throw('element 4');
    expect(slopeAt(Math.abs, 1e-16).kink).to.equal(true);
    expect(slopeAt((t) => Math.abs(t - 3e-4), 1e-16).kink).to.equal(true);
    expect(slopeAt((t) => Math.abs(t - 3e-5), 1e-16).kink).to.equal(true);
    expect(slopeAt((t) => Math.abs(t - 1), 1e-16).kink).to.equal(false);
    expect(slopeAt((t) => Math.exp(t) + t ** 3, 1e-15).kink).to.equal(false);
  });
});
