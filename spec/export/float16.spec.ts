import { expect } from 'chai';
import { fromBfloat16, fromFloat16, roundBfloat16, roundFloat16 } from '../../export/float16.ts';

describe('rounding to float16 and bfloat16', () => {
  it('leaves every float16 and bfloat16 number as it is', () => {
    const patterns = new Uint16Array(65536).map((_, i) => i);
    for (const v of fromFloat16(patterns)) expect(Object.is(roundFloat16(v), v)).to.equal(true);
    for (const v of fromBfloat16(patterns)) expect(Object.is(roundBfloat16(v), v)).to.equal(true);
  });

  it('puts the border between two neighbours in the middle, and a tie on the even one', () => {
    const check = (positive: Float32Array, round: (x: number) => number): void => {
      for (let i = 0; i + 1 < positive.length; i++) {
        const [low, high] = [positive[i], positive[i + 1]];
        const middle = low / 2 + high / 2;
        const nudge = (high - low) / 1024;
        expect(round(middle)).to.equal(i % 2 === 0 ? low : high);
        expect(round(middle - nudge)).to.equal(low);
        expect(round(-middle - nudge)).to.equal(-high);
      }
    };
    check(fromFloat16(new Uint16Array(0x7c00).map((_, i) => i)), roundFloat16);
    check(fromBfloat16(new Uint16Array(0x7f80).map((_, i) => i)), roundBfloat16);
  });

  it('overflows from half a unit above the largest number on', () => {
    expect([65519.999, 65520, -65520].map(roundFloat16)).to.deep.equal([65504, Infinity, -Infinity]);
    expect(roundBfloat16(3.4e38)).to.equal(Infinity);
  });

  it('rounds once, where a detour over float32 would round twice', () => {
    const x = 1 + 2 ** -11 + 2 ** -40;
    expect(roundFloat16(x)).to.equal(1 + 2 ** -10);
    expect(roundFloat16(Math.fround(x))).to.equal(1);
  });
});
