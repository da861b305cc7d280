import { expect } from 'chai';
import { type Attributes, denominators, forward, shape, windowOf } from '../../../reference/ops/lrn.ts';
import { tensor } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

const caffe: Attributes = { size: 5, alpha: 1e-4, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 };

describe('reference/ops/lrn', () => {
  checkOnFixtures('lrn');

  it('gives the closed form for one pixel of three channels, and its s', () => {
    // k + α·Σx² = 2 + ½·(1 + 4 + 4) = 6.5 in the middle; 2 + ½·5 = 4.5 and 2 + ½·8 = 6 at the edges; β = 1
    const x = tensor(Float64Array.of(1, 2, -2), [1, 3, 1, 1]);
    const attributes = { ...caffe, size: 3, alpha: 0.5, beta: 1, k: 2, divide: false };
    const y = forward([x], attributes);
    expect([...denominators(x, attributes)]).to.deep.equal([4.5, 6.5, 6]);
    expect(y.data[0]).to.be.closeTo(1 / 4.5, 2 ** -53);
    expect(y.data[1]).to.be.closeTo(2 / 6.5, 2 ** -53);
    expect(y.data[2]).to.be.closeTo(-2 / 6, 2 ** -53);
  });

  it('has the windows of the sources', () => {
    const at = (attributes: Partial<Attributes>, c: number, C: number) =>
      windowOf(c, C, { ...caffe, ...attributes });
    expect(at({}, 3, 8)).to.deep.equal([1, 5]);
    expect(at({}, 0, 8)).to.deep.equal([0, 2]);
    expect(at({ size: 4 }, 3, 8)).to.deep.equal([2, 5]); // ONNX: ⌊3/2⌋ below, ⌈3/2⌉ above
    expect(at({ size: 4, even: 'below' }, 3, 8)).to.deep.equal([1, 4]);
    expect(at({ groups: 2 }, 3, 8)).to.deep.equal([1, 3]);
    expect(at({ groups: 2 }, 4, 8)).to.deep.equal([4, 6]);
  });

  it('refuses what makes no sense, naming argument and value', () => {
    expect(() => shape([[2, 5]], caffe)).to.throw('lrn: x must have 4 dimensions (shape = [2,5])');
    expect(() => shape([[1, 5, 2, 2]], { ...caffe, size: 0 })).to.throw(
      'lrn: size must be a positive integer (= 0)',
    );
    expect(() => shape([[1, 5, 2, 2]], { ...caffe, groups: 2 })).to.throw(
      'lrn: groups must divide channels (groups = 2, channels = 5)',
    );
  });
});
