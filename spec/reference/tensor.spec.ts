import { expect } from 'chai';
import ndarray from 'ndarray';
import { cast, dense, map, precisionOf, reshape, sizeOf, tensor, zeros } from '../../reference/tensor.ts';

describe('reference/tensor', () => {
  it('refuses data that do not fill the shape', () => {
    expect(() => tensor(new Float32Array(5), [2, 3])).to.throw(
      'tensor: shape [2,3] needs 6 values (data has 5)',
    );
    expect(sizeOf([])).to.equal(1);
  });

  it('dense gives row-major values whatever the strides and the offset', () => {
    const data = new Float32Array(12).map((_, i) => i);
    expect([...dense(ndarray(data, [2, 3], [1, 2], 1))]).to.deep.equal([1, 3, 5, 2, 4, 6]);
    expect([...dense(ndarray(data, [2, 3], [-3, -1], 5))]).to.deep.equal([5, 4, 3, 2, 1, 0]);
    expect([...dense(ndarray(data, [2, 1, 3], [3, 99, 1], 2))]).to.deep.equal([2, 3, 4, 5, 6, 7]);
    expect([...dense(ndarray(data, [3, 2], [0, 1], 4))]).to.deep.equal([4, 5, 4, 5, 4, 5]);
  });

  it('dense copies only where it must', () => {
    const data = new Float64Array(6);
    expect(dense(tensor(data, [2, 3]))).to.equal(data);
    expect(dense(ndarray(data, [2, 2], [2, 1], 1)).buffer).to.equal(data.buffer);
    expect(dense(ndarray(data, [3, 2], [1, 3])).buffer).to.not.equal(data.buffer);
  });

  it('cast rounds once and keeps what has the precision already', () => {
    const t = tensor(Float64Array.of(0.1, 1 / 3), [2]);
    expect([...cast(t, 'float32').data]).to.deep.equal([Math.fround(0.1), Math.fround(1 / 3)]);
    expect(cast(t, 'float64')).to.equal(t);
    expect(precisionOf(zeros([2]))).to.equal('float32');
    expect(precisionOf(zeros([2], 'float64'))).to.equal('float64');
  });

  it('map works in float64 and reshape keeps the values', () => {
    const x = Math.fround(0.1);
    expect(map(tensor(Float32Array.of(x), [1]), (v) => v * v).data[0]).to.equal(x * x);
    expect([...reshape(tensor(Float32Array.of(1, 2, 3, 4), [2, 2]), [4, 1]).shape]).to.deep.equal([4, 1]);
    expect(() => reshape(zeros([4]), [3])).to.throw('needs 3 values');
  });
});
