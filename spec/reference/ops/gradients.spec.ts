/**
 * Gradients of the operations (conv2d and linear: backward.spec.ts): PyTorch's values, differences, wrong
 * variants.
 */
import { expect } from 'chai';
import type { Kind } from '../../../reference/networks/layers.ts';
import * as ops from '../../../reference/ops/index.ts';
import { plain } from '../../../reference/oracle.ts';
import { normals, streamOf } from '../../../reference/random.ts';
import { dense, type Shape, sizeOf, type Tensor, tensor } from '../../../reference/tensor.ts';
import { backwardCases, backwards, gradientDisagreement } from '../../support/backwards.ts';
import { checkGradient, slopeAt } from '../../support/gradcheck.ts';
import { wrongGradients } from '../../support/wrong-gradients.ts';

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
  function kinks(kind: Kind, attributes: unknown, x: Tensor, ties?: 'first' | 'every'): number {
    const forward = (t: Tensor) => plain[kind].forward([t], attributes);
    const y = forward(x);
    const dy = random(y.shape, 'dy');
    const [dx] = plain[kind].backward(dy, [x], y, attributes, { ties });
    return checkGradient(forward, x, dy, dx as Tensor);
  }

  it('lrn: an even window, two groups', () => {
    expect(kinks('lrn', lrn, x4)).to.equal(0);
  });

  it('mapnorm: an even window', () => {
    expect(kinks('mapnorm', mapnorm, x4)).to.equal(0);
  });

  it('avgpool, adaptiveavgpool, softmax, tanh, sigmoid: nowhere a kink', () => {
    const found = [
      kinks('avgpool', { ...window, divisor: 'valid' }, x4),
      kinks('adaptiveavgpool', { size: [4, 3] }, x4),
      ...(['softmax', 'tanh', 'sigmoid'] as const).map((kind) => kinks(kind, undefined, x2)),
    ];
    expect(found).to.deep.equal([0, 0, 0, 0, 0]);
  });

  it('relu: exactly the zeros are kinks', () => {
    const x = tensor(
      dense(x2).map((v, i) => (i % 5 === 0 ? 0 : v)),
      x2.shape,
    );
    expect(kinks('relu', undefined, x)).to.equal(5);
  });

  it('maxpool: exactly what ties for a maximum is a kink, whoever gets the gradient', () => {
    const values = Float64Array.from(dense(x4));
    // (0,0,1,1) and (0,0,1,2) are the maxima of their window; (1,2,·,·) is flat
    values[5] = values[6] = 9;
    values.fill(0.25, 8 * 20, 9 * 20);
    const x = tensor(values, x4.shape);
    expect(kinks('maxpool', window, x, 'first')).to.equal(22);
    expect(kinks('maxpool', window, x, 'every')).to.equal(22);
  });

  it('the check itself fails for a gradient that is off by 1e-6, and sees kinks at and near the point', () => {
    const f = (x: Tensor) => ops.tanh.forward([x]);
    const dy = random(x2.shape, 'dy');
    const dx = ops.tanh.backward(dy, [x2], f(x2))[0] as Tensor;
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
