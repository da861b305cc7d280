/** Tier 1 and 2 of the forward pass against docs/error-bounds.md, worked out by hand on small examples. */
import { expect } from 'chai';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { Device } from '../../../lib/runtime/failures.ts';
import { type Layer, linear } from '../../../reference/networks/layers.ts';
import { contextOn, FOUR_DECIMALS, g, judgedOf, near, SECOND_ORDER, t, u } from '../../support/hand.ts';

const devices = ['cpu', 'cuda', 'webgpu'] as const;
const layer = (kind: Layer['kind'], attributes?: object): Layer => ({ name: 'y', kind, attributes }) as Layer;
/** Half a subnormal spacing, or the smallest normal number where a device flushes. */
const tau = { cpu: 2 ** -150, cuda: 2 ** -150, webgpu: 2 ** -126 };
const boundOn = (device: Device, one: Layer, x: ReturnType<typeof t>) =>
  judgedOf(one, x, contextOn(device)).bounds.bound;

describe('bounds by hand: sums of products', () => {
  // y = (3·1 − 4·2 + 1, 5·1 − 6·2 − 1) = (−4, −8); Σ|w·x| + |b| = (12, 18), Σ(w·x)² = (73, 169); m = 2
  const x = t([1, 2], 1, -2);
  const w = t([2, 2], 3, 4, 5, 6);
  const b = t([2], 1, -1);
  const judged = (device: Device, operands = classes.float32) =>
    judgedOf(linear('y', 2), x, contextOn(device, { operands }), w, b);

  it('γ_{m+1}·(Σ|w·x| + |b|), and the oracle’s own', () => {
    const relative = g(3) + 3 * 2 ** -53;
    for (const device of devices) near(judged(device).bounds.bound, [12 * relative, 18 * relative], device);
  });

  it('(2t + t²) more for TF32, float16 and bfloat16 operands; γ_{3m+37} where tensor cores may add them up', () => {
    const more = { tf32: 2 ** -9 + 2 ** -20, float16: 2 ** -10 + 2 ** -22, bfloat16: 2 ** -7 + 2 ** -16 };
    for (const [name, one] of Object.entries(more))
      for (const [device, roundings] of Object.entries({ cpu: 3, webgpu: 3, cuda: 43, other: 43 })) {
        const { bound } = judged(device as 'cpu', classes[name as keyof typeof more]).bounds;
        const relative = g(roundings) + 3 * 2 ** -53 + one;
        near(bound, [12 * relative, 18 * relative], `${name} on ${device}`);
      }
  });

  it('underflow: m·2⁻¹⁵⁰; on a device that flushes m·2⁻¹²⁶·(2 + max|w| + max|x|)', () => {
    const zero = (device: Device) =>
      judgedOf(linear('y', 1), t([1, 2], 0, 0), contextOn(device), t([1, 2], 3, -4));
    near(zero('cpu').bounds.bound, [2 ** -149]);
    near(zero('cuda').bounds.bound, [2 ** -149]);
    near(zero('webgpu').bounds.bound, [2 * 2 ** -126 * 6]);
  });

  it('nothing is promised where Σ|w·x| reaches half of float32’s largest number', () => {
    const of = (v: number) => judgedOf(linear('y', 1), t([1, 2], v, -v), contextOn('cpu'), t([1, 2], 1, 1));
    expect(of(0.84e38).bounds.bound[0]).to.be.below(Infinity);
    expect(of(0.86e38).bounds.bound[0]).to.equal(Infinity);
  });

  it('the expectation is λ√n·u·Σ|w·x|: n = m + 1, M elements, p = 10⁻⁶; the bound where that is less', () => {
    // 100 products of 1 and no bias, 2 outputs: λ = √(2·ln(2·101·2·10⁶)) = 6.295542; ·√101 = 63.269416; ·100·u
    const ones = (n: number) => t([1, n], ...new Array(n).fill(1));
    const w100 = t([2, 100], ...new Array(200).fill(1));
    const many = (operands = classes.float32) =>
      judgedOf(linear('y', 2), ones(100), contextOn('cpu', { operands }), w100).bounds;
    expect(many().expectation![0] / u).to.be.closeTo(6326.9416, FOUR_DECIMALS);
    near(many().deviation!, [100 * Math.sqrt(101) * u, 100 * Math.sqrt(101) * u]);
    near(
      many(classes.tf32).deviation!,
      [1, 1].map(() => 100 * (Math.sqrt(101) * u + 2 ** -9)),
    );
    expect(many(classes.tf32).expectation![0]).to.be.closeTo(
      6326.9416 * u + 100 * 2 ** -9,
      FOUR_DECIMALS * u,
    );
    near(judged('cpu').bounds.expectation!, [...judged('cpu').bounds.bound]);
  });

  it('tier 3 measures by Σ(w·x)² + b², by the products alone, and by one accumulator’s noise', () => {
    const { total, products, noise } = judged('cpu').bounds.squares!;
    near(total, [74, 170]);
    near(products, [73, 169]);
    // mixed signs: u·√(m·(Σ(w·x)²/2 + ŷ²/3)) with ŷ = −4, −8
    near(noise, [u * Math.sqrt(2 * (73 / 2 + 16 / 3)), u * Math.sqrt(2 * (169 / 2 + 64 / 3))]);
    // nearly all of one sign: u·m·|ŷ|/2 with ŷ = 1·3 + 2·4
    const { squares } = judgedOf(linear('y', 1), t([1, 2], 1, 2), contextOn('cpu'), t([1, 2], 3, 4)).bounds;
    near(squares!.noise, [11 * u]);
    const negative = judgedOf(linear('y', 1), t([1, 2], -1, -2), contextOn('cpu'), t([1, 2], 3, 4));
    near(negative.bounds.squares!.noise, [11 * u]);
  });

  it('products below what underflow loses say nothing of the arithmetic', () => {
    const of = (v: number) => judgedOf(linear('y', 1), t([1, 1], v), contextOn('cpu'), t([1, 1], 1));
    // u·√(v²) against m·2⁻¹⁵⁰: at v = 2⁻¹²⁶ = 1.18e-38; v itself is rounded to float32, its square by 2u
    expect(of(1.2e-38).bounds.squares!.products[0] / 1.44e-76).to.be.closeTo(1, 3 * u);
    expect(of(1.1e-38).bounds.squares!.products[0]).to.equal(0);
  });

  it('a convolution has C/G·R·S products: 2·3·2 here', () => {
    const attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 2 } as const;
    const conv: Layer = { name: 'y', kind: 'conv2d', channels: 2, kernel: [3, 2], attributes };
    const weights = t([2, 2, 3, 2], ...new Array(24).fill(-0.5));
    const found = judgedOf(
      conv,
      t([1, 4, 3, 2], ...new Array(24).fill(1)),
      contextOn('cpu'),
      weights,
      t([2], 1, 3),
    );
    // Σ|w·x| + |b| = 12·½ + (1, 3)
    near(found.bounds.bound, [7 * (g(13) + 13 * 2 ** -53), 9 * (g(13) + 13 * 2 ** -53)]);
    expect(found.bounds.normwise).to.equal(undefined);
    expect(
      judgedOf(conv, t([1, 4, 3, 2], ...new Array(24).fill(1)), contextOn('cuda'), weights).bounds.normwise,
    ).to.be.a('function');
  });
});

describe('bounds by hand: what is exact, and functions', () => {
  for (const kind of ['relu', 'flatten'] as const)
    it(`${kind} is exact, but for a subnormal that a device flushes`, () => {
      const on = (device: Device) => [...boundOn(device, layer(kind, { axis: 1 }), t([1, 2, 1, 1], 1, -1))];
      expect([on('cpu'), on('cuda'), on('webgpu')]).to.deep.equal([
        [0, 0],
        [0, 0],
        [2 ** -126, 2 ** -126],
      ]);
    });

  it('max-pool is exact', () => {
    const pool = layer('maxpool', { kernel: [2, 2], stride: [1, 1], pad: [0, 0, 0, 0], rounding: 'floor' });
    expect([...boundOn('cpu', pool, t([1, 1, 2, 2], 1, 2, 3, 4))]).to.deep.equal([0]);
  });

  it('average pool: γ_{m+4+d}·Σ|x|/divisor, d = 1, 4, 5, and (m + 2)·τ', () => {
    const pool = layer('avgpool', {
      kernel: [2, 3],
      stride: [1, 1],
      pad: [0, 0, 0, 0],
      rounding: 'floor',
      divisor: 'window',
    });
    const x = t([1, 1, 2, 3], 1, -2, 3, -4, 5, -6); // Σ|x|/6 = 3.5
    for (const [device, n] of [
      ['cpu', 11],
      ['cuda', 14],
      ['webgpu', 15],
    ] as const) {
      near(boundOn(device, pool, x), [3.5 * g(n)], device);
      near(boundOn(device, pool, t([1, 1, 2, 3], 0, 0, 0, 0, 0, 0)), [8 * tau[device]], device);
      near(boundOn(device, layer('adaptiveavgpool', { size: [1, 1] }), x), [3.5 * g(n)], device);
    }
    // m is the kernel's, whatever the plane
    near(boundOn('cpu', pool, t([1, 1, 2, 4], 1, -2, 3, -4, 5, -6, 1, 2)), [3 * g(11), 3 * g(11)]);
  });

  it('tanh: 16, 4, 64 units of |ŷ|; WebGPU’s 10u absolute; sigmoid as much of |ŷ| + 1', () => {
    const x = t([1, 1], 0.5);
    const [y, s] = [Math.tanh(0.5), 1 / (1 + Math.exp(-0.5))];
    near(boundOn('cpu', layer('tanh'), x), [16 * u * y]);
    near(boundOn('cuda', layer('tanh'), x), [4 * u * y]);
    near(boundOn('webgpu', layer('tanh'), x), [64 * u * y + 10 * u]);
    near(boundOn('cpu', layer('tanh'), t([1, 1], 0)), [2 ** -125]);
    for (const [device, licence] of [
      ['cpu', 16],
      ['cuda', 4],
      ['webgpu', 64],
    ] as const)
      near(boundOn(device, layer('sigmoid'), x), [licence * u * (s + 1)], device);
  });

  it('dropout at test time: exact at ½, else γ₂ of the product, up to underflow', () => {
    const drop = (ratio: number, convention: string) => layer('dropout', { ratio, convention });
    const x = t([1, 1], 3);
    near(boundOn('cpu', drop(0.5, 'paper'), x), [2 ** -150]);
    near(boundOn('webgpu', drop(0.5, 'paper'), x), [2 ** -125]);
    near(boundOn('cpu', drop(0.3, 'paper'), x), [2.1 * g(2)]);
    near(boundOn('cpu', drop(0.3, 'inverted'), x), [0]);
  });

  it('softmax: rounded exponents, exp, the sum’s weighted errors and γ_{K+d+1}', () => {
    const [p, q] = [1 / (1 + Math.exp(-1)), 1 / (1 + Math.exp(1))];
    const x = t([1, 2], 1, 0);
    // exponents 0 and −1: errors of exp(0) and of exp(−1) with its rounded exponent, in units of u; d + 3
    const terms = { cpu: [8, 9, 4], cuda: [4, 5, 7], webgpu: [6, 11, 8] } as const;
    for (const [device, [first, second, additions]] of Object.entries(terms)) {
      const common = p * first + q * second + additions;
      const found = boundOn(device as Device, layer('softmax'), x);
      expect(found[0] / u).to.be.closeTo(p * (first + common), SECOND_ORDER);
      expect(found[1] / u).to.be.closeTo(q * (second + common), SECOND_ORDER);
    }
    // each image by itself
    const both = boundOn('cpu', layer('softmax'), t([2, 2], 5, 0, 1, 0));
    near(both.slice(2), [...boundOn('cpu', layer('softmax'), x)]);
    // a class that is ruled out is so in each image
    near(boundOn('cpu', layer('softmax'), t([2, 2], 1, 0, 0, -Infinity)).slice(3), [2 ** -125]);
    // a thousand equal classes: (e + c)(1 + c), each exponential off by 8u, c = 8u + γ_{K+2}
    const equal = boundOn('cpu', layer('softmax'), t([1, 1000], ...new Array(1000).fill(3)));
    const exp = Math.expm1(8 * u);
    near([equal[999]], [1e-3 * (2 * exp + g(1002)) * (1 + exp + g(1002))]);
    // a probability far below 2⁻¹²⁶ may become 0
    near([boundOn('cpu', layer('softmax'), t([1, 2], 0, -200))[1]], [2 ** -125]);
  });
});

describe('bounds by hand: normalisation', () => {
  const attributes = { size: 5, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 };
  const lrn = (more = {}) => layer('lrn', { ...attributes, ...more });
  // one channel of 2: s = 1 + ⅕·4 = 1.8, ŷ = 2·1.8^−¾
  const x = t([1, 1, 1, 1], 2);
  const y = 2 * 1.8 ** -0.75;
  const ofSum = (n: number, beta = 0.75) => (1 - g(n)) ** -beta - 1;

  it('LRN: (1 − γ_{n+4+d})^−β − 1, the power’s licence, the last product and d', () => {
    near(boundOn('cpu', lrn(), x), [y * (ofSum(10) + (48 + 1 + 1) * u)]);
    // Sqrt, Sqrt and Reciprocal are allowed more than pow: 1.5·4 + 4 + 1
    near(boundOn('cuda', lrn(), x), [y * (ofSum(13) + (11 + 1 + 4) * u)]);
    // pow(1.8, −¾): 2·(3 + 2·0.635997680 + (3 + 8·¾)·1) = 26.54399072
    near(boundOn('webgpu', lrn(), x), [y * (ofSum(14) + (26.54399071966 + 1 + 5) * u)]);
  });

  it('β that is rounded to float32 counts by ln s', () => {
    // 0.7 in float32 is off by 1.1920929e-8
    const own = 2 * 1.8 ** -0.7;
    const relative = ofSum(10, 0.7) + 50 * u + Math.expm1(1.1920928910669204e-8 * Math.log(1.8));
    near(boundOn('cpu', lrn({ beta: 0.7 }), x), [own * relative]);
  });

  it('normalisation within maps has size² squares', () => {
    const own = 2 * (1 + 4 / 9) ** -0.75;
    const maps = layer('mapnorm', { size: 3, alpha: 1, beta: 0.75, k: 1, divide: true });
    near(boundOn('cpu', maps, x), [own * (ofSum(9 + 5) + 50 * u)]);
  });

  it('what underflows: 2⁻¹⁵⁰, three flushed results on WebGPU; nothing is promised near overflow', () => {
    const zero = t([1, 1, 1, 1], 0);
    near(boundOn('cpu', lrn(), zero), [2 ** -150]);
    near(boundOn('webgpu', lrn(), zero), [3 * 2 ** -126]);
    // a square of 2⁻¹²⁶ beside k = 2⁻¹²⁰: α·2⁻¹²⁶ and, of its product with α, 2⁻¹²⁶ are 2/65 of s
    const least = (2 ** -120 * (65 / 64)) ** -0.75 * 2 ** -63;
    const lost = ofSum(6) + (0.75 * 2) / 65 + 50 * u;
    near(boundOn('cpu', lrn({ size: 1, k: 2 ** -120 }), t([1, 1, 1, 1], 2 ** -63)), [least * lost]);
    expect(boundOn('cpu', lrn(), t([1, 1, 1, 1], 4e18))[0]).to.be.below(Infinity);
    expect(boundOn('cpu', lrn(), t([1, 1, 1, 1], 6e18))[0]).to.equal(Infinity);
  });

  it('the running sum: γ_{3+n+2c}·(k + 2α′·Σ of the squares up to channel c + n)/s', () => {
    // channels (2, 1, 3), n = 1, α′ = 1, k = 1: s = (5, 2, 10); squares up to c + 0 … n − 1: 4, 5, 14
    const native = judgedOf(
      lrn({ size: 1 }),
      t([1, 3, 1, 1], 2, 1, 3),
      contextOn('cpu', { runningSum: true }),
    );
    const after = [(g(4) * 9) / 5, (g(6) * 11) / 2, (g(8) * 29) / 10];
    const own = [2 * 5 ** -0.75, 2 ** -0.75, 3 * 10 ** -0.75];
    const sums = after.map((e) => (1 - e) ** -0.75 - 1);
    near(
      native.bounds.bound,
      own.map((v, c) => v * (sums[c] + 50 * u)),
    );
    near(
      native.bounds.anyOrder!,
      own.map((v) => v * (ofSum(6) + 50 * u)),
    );
    expect(native.bounds.named).to.include('running sum');
  });

  it('beyond ε = 1 the running sum promises nothing', () => {
    const of = (v: number) =>
      judgedOf(lrn({ size: 1 }), t([1, 2, 1, 1], v, 0), contextOn('cpu', { runningSum: true })).bounds
        .bound[1];
    // γ_6·(1 + 2v²)/1 = 1 at v = √((2²⁴/6 − 1)/2) = 1182.4
    expect(of(1180)).to.be.below(Infinity);
    expect(of(1185)).to.equal(Infinity);
  });

  it('a band matrix: NaN where a square overflows, in every channel of that pixel', () => {
    const band = judgedOf(
      lrn({ size: 1 }),
      t([1, 2, 1, 2], 1, 2e19, 3, 4),
      contextOn('cuda', { band: true }),
    );
    const { bound, anyOrder, named } = band.bounds;
    expect([...bound].map(Number.isFinite)).to.deep.equal([true, false, true, false]);
    expect([...anyOrder!].map(Number.isFinite)).to.deep.equal([true, false, true, true]);
    expect(named).to.include('band matrix');
    const second = judgedOf(
      lrn({ size: 1 }),
      t([2, 2, 1, 2], 1, 2, 3, 4, 5, 6, 7, 2e19),
      contextOn('cuda', { band: true }),
    );
    expect([...second.bounds.bound].map((v) => Number(v === Infinity))).to.deep.equal([
      0, 0, 0, 0, 0, 1, 0, 1,
    ]);
  });
});

describe('bounds by hand: values stored as float16', () => {
  const half = (
    one: Layer,
    x: ReturnType<typeof t>,
    w?: ReturnType<typeof t>,
    b?: ReturnType<typeof t>,
    apart = false,
  ) => {
    const about = (isHalf: boolean) => contextOn('cpu', { half: isHalf, biasApart: apart });
    const [wide, own] = [false, true].map((isHalf) => judgedOf(one, x, about(isHalf), w, b).bounds);
    return { own, added: own.bound.map((limit, i) => limit - wide.bound[i]) };
  };
  const [h, eta] = [2 ** -11, 2 ** -25];
  it('one rounding more of the result: 2⁻¹¹·|ŷ| + 2⁻²⁵; the largest number is 65504', () => {
    const { own, added } = half(layer('relu'), t([1, 2], 3, 0));
    near(added, [3 * h + eta, eta]);
    expect(own.most).to.equal(65504);
  });

  it('dot products: 2⁻²⁵·Σ|w| more, and the sum before a bias that is added apart', () => {
    const of = (apart: boolean) => half(linear('y', 1), t([1, 2], 1, -2), t([1, 2], 3, 4), t([1], 1), apart);
    near(of(false).added, [4 * h + eta + 7 * eta]); // ŷ = −4
    // the sum before it is −5, itself off by γ_3·12
    near(of(true).added, [4 * h + eta + 7 * eta + (5 + 12 * g(3)) * h + eta]);
    const noise = u * Math.sqrt(2 * (73 / 2 + 16 / 3));
    near(of(false).own.squares!.noise, [noise + 4 * h + eta]);
  });

  it('tanh and sigmoid by their input, averages by the mean of |x|, dropout by its result', () => {
    near(half(layer('tanh'), t([1, 1], 0.5)).added, [(Math.tanh(0.5) + 0.5) * h + 2 * eta]);
    near(half(layer('sigmoid'), t([1, 1], 0.5)).added, [(1 / (1 + Math.exp(-0.5)) + 0.5) * h + 2 * eta]);
    near(half(layer('adaptiveavgpool', { size: [1, 1] }), t([1, 1, 1, 2], 3, -1)).added, [
      (1 + 2) * h + 2 * eta,
    ]);
    near(half(layer('dropout', { ratio: 0.5, convention: 'paper' }), t([1, 1], 3)).added, [3 * h + 2 * eta]);
  });

  it('softmax: ŷ·(e^(4·max|δ|) − 1)', () => {
    const p = 1 / (1 + Math.exp(-2));
    near(
      [half(layer('softmax'), t([1, 2], 2, 0)).added[0]],
      [p * Math.expm1(4 * (2 * h + eta)) + p * h + eta],
    );
  });

  it('LRN: |ŷ|·((1 + 2⁻¹¹)(1 − 2⁻¹¹)^(−2β) − 1) + 2⁻²⁵·(s·(1 − 2⁻¹¹)²)^−β', () => {
    const of = { size: 5, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 };
    const y = 2 * 1.8 ** -0.75;
    const input = y * ((1 + h) * (1 - h) ** -1.5 - 1) + eta * (1.8 * (1 - h) ** 2) ** -0.75;
    near(half(layer('lrn', of), t([1, 1, 1, 1], 2)).added, [input + y * h + eta]);
  });
});
