import { expect } from 'chai';
import { type Attributes, macs, shape, terms } from '../../../reference/ops/conv2d.ts';
import { zeros } from '../../../reference/tensor.ts';
import { fixtureOf } from '../../support/cases.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';
import { disagreement, gamma } from '../../support/operations.ts';

const plain: Attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

describe('reference/ops/conv2d', () => {
  checkOnFixtures('conv2d');

  it('terms are the convolutions of absolute values and of squares', () => {
    const cases = fixtureOf('conv2d').cases.filter(({ expected }) => expected.magnitude);
    expect(cases.length).to.be.above(2);
    for (const test of cases) {
      const { w } = test.inputs;
      const { magnitude, squares, count } = terms(Object.values(test.inputs), test.attributes);
      expect(count).to.equal(w.shape[1] * w.shape[2] * w.shape[3]);
      for (const [got, wanted] of [
        [magnitude, test.expected.magnitude],
        [squares, test.expected.squares],
      ]) {
        // all terms are positive: twice γ of count + 1 sums and the square's own rounding, relative
        const bound = (_: unknown, i: number) => 2 * gamma(count + 2) * wanted.data[i];
        expect(disagreement(test, got, bound, wanted)).to.equal(null);
      }
    }
  });

  it("counts the paper's multiply-accumulates", () => {
    // facts of arithmetic: 55·55·96·11·11·3 and 27·27·256·5·5·48
    const conv1 = { ...plain, stride: [4, 4] } as const;
    expect(
      macs(
        [
          [1, 3, 227, 227],
          [96, 3, 11, 11],
        ],
        conv1,
      ),
    ).to.equal(105_415_200);
    const conv2 = { ...plain, pad: [2, 2, 2, 2], groups: 2 } as const;
    expect(
      macs(
        [
          [1, 96, 27, 27],
          [256, 48, 5, 5],
        ],
        conv2,
      ),
    ).to.equal(223_948_800);
    expect(
      macs(
        [
          [3, 96, 27, 27],
          [256, 48, 5, 5],
        ],
        conv2,
      ),
    ).to.equal(3 * 223_948_800);
  });

  it('refuses what makes no sense, naming argument and value', () => {
    const x = [2, 64, 9, 9];
    const w = [96, 64, 3, 3];
    expect(() => shape([x, w], { ...plain, groups: 3 })).to.throw(
      'conv2d: groups must divide input channels (groups = 3, channels = 64)',
    );
    expect(() => shape([x, [95, 32, 3, 3]], { ...plain, groups: 2 })).to.throw(
      'conv2d: groups must divide output channels (groups = 2, channels = 95)',
    );
    expect(() => shape([x, w], { ...plain, groups: 0 })).to.throw('groups = 0');
    expect(() => shape([x, [96, 32, 3, 3]], plain)).to.throw(
      'conv2d: w must have 64 channels a group (= 32; channels = 64, groups = 1)',
    );
    expect(() => shape([[64, 9, 9], w], plain)).to.throw(
      'conv2d: x must have 4 dimensions (shape = [64,9,9])',
    );
    expect(() => shape([x, [96, 64]], plain)).to.throw('conv2d: w must have 4 dimensions (shape = [96,64])');
    expect(() => shape([x, w], { ...plain, stride: [1, 0] })).to.throw(
      'conv2d: stride must be positive integers (= [1,0])',
    );
    expect(() => shape([x, w], { ...plain, dilation: [0.5, 1] })).to.throw(
      'conv2d: dilation must be positive integers (= [0.5,1])',
    );
    expect(() => shape([x, w], { ...plain, pad: [0, -1, 0, 0] })).to.throw(
      'conv2d: pad must be integers ≥ 0 (= [0,-1,0,0])',
    );
    expect(() => shape([[2, 64, 9, 2], w], plain)).to.throw(
      'conv2d: the kernel 3×3 does not fit the padded input (x = [2,64,9,2], pad = [0,0,0,0])',
    );
    expect(() => terms([zeros([1, 1, 2, 2]), zeros([2, 1, 1, 1]), zeros([3])], plain)).to.throw(
      'conv2d: b must have 2 values (= 3)',
    );
  });
});
