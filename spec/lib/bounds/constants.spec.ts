/** Every constant of docs/error-bounds.md, as a number. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as constants from '../../../lib/bounds/arithmetic.ts';
import { arithmetic, classes, gamma } from '../../../lib/bounds/arithmetic.ts';
import { KAPPA } from '../../../lib/bounds/normwise.ts';
import { FALSE_ALARM } from '../../../lib/bounds/products.ts';

const page = readFileSync(new URL('../../../docs/error-bounds.md', import.meta.url), 'utf8');

describe('constants of docs/error-bounds.md', () => {
  it('unit roundoffs, smallest and largest numbers of float64, float32 and float16', () => {
    const { U64, U32, U16, MIN_NORMAL, HALF_SUBNORMAL, HALF_SUBNORMAL_16, FLOAT32_MAX, FLOAT16_MAX } =
      constants;
    expect([1 / U64, 1 / U32, 1 / U16]).to.deep.equal([9007199254740992, 16777216, 2048]);
    expect([MIN_NORMAL, HALF_SUBNORMAL]).to.deep.equal([1.1754943508222875e-38, 7.006492321624085e-46]);
    expect(HALF_SUBNORMAL_16).to.equal(2.9802322387695312e-8);
    expect([FLOAT32_MAX, FLOAT16_MAX]).to.deep.equal([3.4028234663852886e38, 65504]);
    expect([Math.fround(FLOAT32_MAX), Math.fround(FLOAT32_MAX * (1 + 2 ** -24))]).to.deep.equal([
      FLOAT32_MAX,
      Infinity,
    ]);
  });

  it('γₙ = nu/(1 − nu), ∞ where nu reaches 1', () => {
    expect(gamma(1)).to.equal(1 / (2 ** 24 - 1));
    expect(gamma(2 ** 23)).to.equal(1);
    expect(gamma(3, 2 ** -2)).to.equal(3);
    expect([1, 1.5, 2].map((nu) => gamma(nu * 2 ** 24))).to.deep.equal([Infinity, Infinity, Infinity]);
  });

  it('operands: t = 2⁻¹⁰ (TF32), 2⁻¹¹ (float16), 2⁻⁸ (bfloat16); at least 15, 10, 10, 7 bits', () => {
    const rows = Object.values(classes).map(({ name, t, bits }) => [name, t, bits]);
    expect(rows).to.deep.equal([
      ['float32', 0, 15],
      ['tf32', 0.0009765625, 10],
      ['float16', 0.00048828125, 10],
      ['bfloat16', 0.00390625, 7],
    ]);
  });

  it('the false-alarm rate is 10⁻⁶, κ 300', () => {
    expect(FALSE_ALARM).to.equal(0.000001);
    expect(KAPPA).to.equal(300);
  });

  // in units of u, and in the page's words
  const licences = {
    cpu: { row: 'CPU | 1 | 1 | 8 | 48 | 16', of: [1, 1, 8, 48, 16], nearZero: 0, flushes: false },
    cuda: { row: 'CUDA | 4 | 4 | 4 | 8 | 4', of: [4, 4, 4, 8, 4], nearZero: 0, flushes: false },
    // exp(2): 2·(3 + 2·2) = 14; pow(4, 0.5) = exp2(1): 2·(3 + 2·1 + (3 + 8·0.5)·1) = 24
    webgpu: {
      row: 'WebGPU | 5 | 9 | 2(3 + 2·abs x) | exp2(y·log2 x) | 64',
      of: [5, 9, 14, 24, 64],
      nearZero: 10,
      flushes: true,
    },
  } as const;
  for (const [device, { row, of, nearZero, flushes }] of Object.entries(licences))
    it(`${device}: division, sqrt, exp, pow, tanh; what they are near 0; subnormals`, () => {
      const own = arithmetic[device as keyof typeof licences];
      expect([own.divide, own.sqrt, own.exp(2), own.pow(4, 0.5), own.tanh]).to.deep.equal(of);
      expect([own.exp(-2), own.tanhNearZero, own.flushes]).to.deep.equal([of[2], nearZero, flushes]);
      expect(page.replace(/ +/g, ' ')).to.include(`| ${row} |`);
    });

  it("WebGPU's pow: exp2's error grows with y·log2 x, and log2's is absolute near 1", () => {
    // pow(8, −0.75) = exp2(−2.25): 2·(3 + 2·2.25 + (3 + 8·0.75)·2.25) = 2·27.75
    expect(arithmetic.webgpu.pow(8, -0.75)).to.equal(55.5);
    // pow(1, 0.75): 2·(3 + 0 + 9·1)
    expect(arithmetic.webgpu.pow(1, 0.75)).to.equal(24);
  });

  it('logarithms: 8 and 2 units of the result; WGSL 2⁻²¹ absolute, which is 8u, or 6 units', () => {
    const at = (y: number) => [arithmetic.cpu, arithmetic.cuda, arithmetic.webgpu].map(({ log }) => log(y));
    expect(at(3)).to.deep.equal([24, 6, 18]);
    expect(at(0.5)).to.deep.equal([4, 1, 8]);
  });

  it('an engine of which nothing is known has the widest of each', () => {
    const { other, cpu, webgpu } = arithmetic;
    expect([other.divide, other.sqrt, other.tanh, other.flushes, other.tanhNearZero]).to.deep.equal([
      5,
      9,
      64,
      true,
      10,
    ]);
    // exp: OpenCV's 7·10⁻⁶·2²⁴ against 2·(3 + 2·2) and 2·(3 + 2·100), 0 below 2⁻¹²⁶/0.00967;
    // pow 48 against 24 and 2·(3 + 2·8 + 11·8); log 8y against 8, 24
    expect([other.exp(0), other.exp(2), other.exp(100)]).to.deep.equal([117.440512, 117.440512, 406]);
    expect(other.leastExp).to.be.within(2 ** -126 / 0.00967, 2 * (2 ** -126 / 0.00967));
    expect([other.pow(4, 0.5), other.pow(2 ** 8, 1)]).to.deep.equal([48, webgpu.pow(2 ** 8, 1)]);
    expect(webgpu.pow(2 ** 8, 1)).to.equal(214);
    expect([other.log(0.5), other.log(3)]).to.deep.equal([8, cpu.log(3)]);
  });
});
