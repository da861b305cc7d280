import { expect } from 'chai';
import { forward } from '../../../reference/ops/relu.ts';
import { tensor } from '../../../reference/tensor.ts';
import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/relu', () => {
  checkOnFixtures('relu');

  it('keeps a NaN whatever its sign, and makes −0 and −∞ to +0', () => {
    const bits = Int32Array.of(0xffc00000 | 0, 0x7fc00000, 0x80000000 | 0, 0xff800000 | 0, 0x7f800000);
    const y = forward([tensor(new Float32Array(bits.buffer), [5])]);
    expect([...y.data].map((v) => (Object.is(v, -0) ? '-0' : String(v)))).to.deep.equal([
      'NaN',
      'NaN',
      '0',
      '0',
      'Infinity',
    ]);
  });
});
