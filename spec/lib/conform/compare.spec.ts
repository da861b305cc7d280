import { expect } from 'chai';
import { firstDifference } from '../../../lib/conform/compare.ts';
import { bool, f32, i64 } from '../../support/onnx.ts';

describe('comparing as numpy.testing.assert_allclose does', () => {
  it('allows atol + rtol·|expected|, measured on the expected value', () => {
    expect(firstDifference(f32([1.0009]), f32([1]))).to.equal(null);
    expect(firstDifference(f32([1.0011]), f32([1]))).to.contain('1 of 1 values differ');
    expect(firstDifference(f32([9e-8]), f32([0]))).to.equal(null);
    expect(firstDifference(f32([2e-7]), f32([0]))).to.be.a('string');
    // 1000·rtol = 1 around 1000, 1.001 around 1001
    expect(firstDifference(f32([1000]), f32([1001]))).to.equal(null);
    expect(firstDifference(f32([1001.0005]), f32([1000]))).to.be.a('string');
  });

  it('takes NaN for NaN alone, and infinities with their sign', () => {
    expect(firstDifference(f32([Number.NaN, Infinity]), f32([Number.NaN, Infinity]))).to.equal(null);
    expect(firstDifference(f32([Number.NaN]), f32([1]))).to.be.a('string');
    expect(firstDifference(f32([1]), f32([Number.NaN]))).to.be.a('string');
    expect(firstDifference(f32([-Infinity]), f32([Infinity]))).to.be.a('string');
    expect(firstDifference(f32([3e38]), f32([Infinity]))).to.be.a('string');
    expect(firstDifference(f32([-0]), f32([0]))).to.equal(null);
  });

  it('wants type and shape', () => {
    expect(firstDifference(i64([1]), f32([1]))).to.contain('int64, not float32');
    expect(firstDifference(f32([1, 2], [1, 2]), f32([1, 2], [2, 1]))).to.contain('[1,2], not [2,1]');
    expect(firstDifference(undefined, f32([1]))).to.contain('missing');
  });

  it('wants integers and bools to be equal', () => {
    expect(firstDifference(i64([100000]), i64([100001]))).to.contain('the first at 0: 100000, not 100001');
    expect(firstDifference(bool([1, 0]), bool([1, 1]))).to.contain('1 of 2');
  });
});
