/** Bounds of gradients and of the loss against docs/error-bounds.md, worked out by hand on small examples. */
import { expect } from 'chai';
import { arithmetic, classes } from '../../../lib/bounds/arithmetic.ts';
import { type Judged, promised, summed } from '../../../lib/bounds/bounds.ts';
import { scaledByMask } from '../../../lib/bounds/elementwise.ts';
import { lossBounds } from '../../../lib/bounds/loss.ts';
import { type Layer, linear } from '../../../reference/networks/layers.ts';
import { contextOn, FOUR_DECIMALS, g, gradientsOf, near, SECOND_ORDER, t, u } from '../../support/hand.ts';

const layer = (kind: Layer['kind'], attributes?: object): Layer => ({ name: 'y', kind, attributes }) as Layer;
const cpu = contextOn('cpu');
const limits = (judged: Judged | null) => judged!.bounds.bound;
/** The oracle's own error of a sum of n roundings. */
const own = (n: number) => n * 2 ** -53;

describe('gradients by hand: sums of products', () => {
  it('fully connected: dw sums N products, dx as many as neurons, db N values', () => {
    const pass = { x: t([2, 2], 1, 2, 3, 4), y: t([2, 1], 0, 0), dy: t([2, 1], 1, -1) };
    const weights = new Map([
      ['y.weight', t([1, 2], 5, 6)],
      ['y.bias', t([1], 0)],
    ]);
    const [dx, dw, db] = gradientsOf(linear('y', 1), { ...pass, weights }, cpu);
    near(
      limits(dx),
      [5, 6, 5, 6].map((m) => m * (g(2) + own(2))),
    );
    near(
      limits(dw),
      [4, 6].map((m) => m * (g(3) + own(3))),
    );
    near(limits(db), [2 * g(2)]);
    near(dw!.bounds.squares!.products, [1 + 9, 4 + 16]);
    // on tensor cores γ_{3m+37}
    const [, onTf32] = gradientsOf(
      linear('y', 1),
      { ...pass, weights },
      contextOn('cuda', { operands: classes.tf32 }),
    );
    near(
      limits(onTf32),
      [4, 6].map((m) => m * (g(3 * 2 + 37) + own(3) + 2 ** -9 + 2 ** -20)),
    );
  });

  it('convolution: dw sums N·P·Q products, dx K/G·R·S, db N·P·Q values', () => {
    // N = 2, C = 2, K = 4, G = 2, a kernel of 2×1 on 3×2: P, Q = 2, 2; all values 1
    const ones = (...shape: number[]) => t(shape, ...new Array(shape.reduce((a, b) => a * b)).fill(1));
    const attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 2 } as const;
    const conv: Layer = { name: 'y', kind: 'conv2d', channels: 4, kernel: [2, 1], attributes };
    const weights = new Map([
      ['y.weight', ones(4, 1, 2, 1)],
      ['y.bias', ones(4)],
    ]);
    const pass = { x: ones(2, 2, 3, 2), y: ones(2, 4, 2, 2), dy: ones(2, 4, 2, 2), weights };
    const [dx, dw, db] = gradientsOf(conv, pass, cpu);
    // the middle row is in both windows of each of K/G = 2 kernels, the outer ones in one
    near(
      limits(dx).slice(0, 6),
      [2, 2, 4, 4, 2, 2].map((m) => m * (g(5) + own(5))),
    );
    near(limits(dw), new Array(8).fill(8 * (g(9) + own(9))));
    near(limits(db), new Array(4).fill(8 * g(8)));
    const expected = Math.sqrt(2 * Math.log(2 * 8 * 4 * 1e6)) * Math.sqrt(8) * u;
    near(db!.bounds.expectation!, new Array(4).fill(8 * Math.min(g(8), expected)));
    expect(dx!.bounds.normwise).to.equal(undefined);
    const onCuda = gradientsOf(conv, pass, contextOn('cuda'));
    expect(onCuda[0]!.bounds.normwise).to.be.a('function');
    expect(onCuda[1]!.bounds.normwise).to.equal(undefined);
  });

  it('db of many values has an expectation below its bound: λ√n·u with n values', () => {
    const N = 400;
    const ones = (n: number) => t([N, n], ...new Array(N * n).fill(1));
    const weights = new Map([
      ['y.weight', t([1, 1], 1)],
      ['y.bias', t([1], 0)],
    ]);
    const [, , db] = gradientsOf(linear('y', 1), { x: ones(1), y: ones(1), dy: ones(1), weights }, cpu);
    // √(2·ln(2·400·10⁶)) = 6.403144, ·20 = 128.0629
    expect(db!.bounds.expectation![0] / (400 * u)).to.be.closeTo(128.0629, FOUR_DECIMALS);
    near(limits(db), [400 * g(400)]);
  });
});

describe('gradients by hand: what is counted', () => {
  it('dx of a kernel of 2×3 sums K/G·2·3 products, db of zeros may lose each of its values', () => {
    const attributes = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 2 } as const;
    const conv: Layer = { name: 'y', kind: 'conv2d', channels: 4, kernel: [2, 3], attributes };
    const fill = (v: number, ...shape: number[]) =>
      t(shape, ...new Array(shape.reduce((a, b) => a * b)).fill(v));
    const weights = new Map([
      ['y.weight', fill(1, 4, 1, 2, 3)],
      ['y.bias', fill(1, 4)],
    ]);
    const pass = { x: fill(1, 1, 2, 2, 3), y: fill(1, 1, 4, 1, 1), weights };
    const [dx] = gradientsOf(conv, { ...pass, dy: fill(1, 1, 4, 1, 1) }, cpu);
    near(limits(dx), new Array(12).fill(2 * (g(13) + own(13))));
    const two = { ...pass, x: fill(1, 2, 2, 2, 3), y: fill(1, 2, 4, 1, 1), dy: fill(0, 2, 4, 1, 1) };
    near(limits(gradientsOf(conv, two, cpu)[2]), new Array(4).fill(2 * 2 ** -150));
  });

  it('a mask of dropout is one of its operands', () => {
    const drop = layer('dropout', { ratio: 0.25, convention: 'inverted' });
    const pass = { x: t([1, 3], 1, 2, 3), y: t([1, 3], 0, 0, 0), dy: t([1, 3], 3, 6, 9) };
    const [dx] = gradientsOf(drop, { ...pass, mask: Uint8Array.of(1, 0, 1) }, cpu);
    expect([...dx!.exact.data]).to.deep.equal([4, 0, 12]);
    near([limits(dx)[0], limits(dx)[2]], [4 * g(2), 12 * g(2)]);
    expect([...gradientsOf(drop, pass, cpu)[0]!.exact.data]).to.deep.equal([3, 6, 9]);
  });

  it('where a bound is no number nothing is promised', () => {
    expect([promised(Number.NaN), promised(0.5)]).to.deep.equal([Infinity, 0.5]);
  });
});

describe('gradients by hand: pools and functions', () => {
  it('max-pool: ⌈R/stride⌉ + ⌈S/stride⌉ − 2 additions of Σ|dy|; of another engine ⌈R/stride⌉·⌈S/stride⌉ − 1', () => {
    const gradient = (kernel: number[], stride: number[], context = cpu) => {
      const attributes = { kernel, stride, pad: [0, 0, 0, 0], rounding: 'floor' };
      const x = t([1, 1, 3, 3], 0, 0, 0, 0, 9, 0, 0, 0, 0);
      const P = (3 - kernel[0]) / stride[0] + 1;
      const Q = (3 - kernel[1]) / stride[1] + 1;
      const y = t([1, 1, P, Q], ...new Array(P * Q).fill(9));
      const dy = t([1, 1, P, Q], ...Array.from({ length: P * Q }, (_, i) => (i % 2 ? -1 : 1)));
      return limits(gradientsOf(layer('maxpool', attributes), { x, y, dy }, context)[0])[4];
    };
    near([gradient([2, 2], [1, 1])], [4 * g(2)]);
    near([gradient([3, 2], [1, 1])], [2 * g(3)]);
    near([gradient([2, 3], [1, 1])], [2 * g(3)]);
    near([gradient([3, 3], [3, 3])], [2 ** -149]); // exact, up to underflow
    const other = { ...cpu, device: 'other' } as const;
    near([gradient([2, 2], [1, 1], other), gradient([3, 2], [1, 1], other)], [4 * g(3), 2 * g(5)]);
  });

  it('average pool: γ_{4+P+Q}·Σ|dy|/divisor, (1 + t)⁴ for rounded operands, underflow', () => {
    const attributes = {
      kernel: [2, 2],
      stride: [1, 1],
      pad: [0, 0, 0, 0],
      rounding: 'floor',
      divisor: 'window',
    };
    const x = t([1, 1, 2, 3], 1, 1, 1, 1, 1, 1);
    const pass = { x, y: t([1, 1, 1, 2], 1, 1), dy: t([1, 1, 1, 2], 4, -8) };
    const pool = layer('avgpool', attributes);
    near(
      limits(gradientsOf(pool, pass, cpu)[0]),
      [1, 3, 2, 1, 3, 2].map((m) => m * g(7)),
    );
    const rounded = (1 + g(7)) * (1 + 2 ** -10) ** 4 - 1;
    const tf32 = gradientsOf(pool, pass, contextOn('cuda', { operands: classes.tf32 }));
    near(
      limits(tf32[0]),
      [1, 3, 2, 1, 3, 2].map((m) => m * rounded),
    );
    const zero = { ...pass, dy: t([1, 1, 1, 2], 0, 0) };
    near(limits(gradientsOf(pool, zero, cpu)[0]), new Array(6).fill(12 * 2 ** -150));
    near(limits(gradientsOf(pool, zero, contextOn('webgpu'))[0]), new Array(6).fill(12 * 2 ** -126));
  });

  it('ReLU: exact; a device that flushes may take a subnormal y for 0', () => {
    const y = t([1, 3], 1e-39, 1, -1);
    const pass = { x: y, y, dy: t([1, 3], -3, 2, 4) };
    near(limits(gradientsOf(layer('relu'), pass, cpu)[0]), [0, 0, 0]);
    near(limits(gradientsOf(layer('relu'), pass, contextOn('webgpu'))[0]), [3, 2 ** -126, 2 ** -126]);
  });

  it('tanh: γ₃·|dy|·(y² + |1 − y²|); sigmoid γ₃ of the result; softmax γ_{K+3}·|y|·(|dy| + Σ|dy·y|)', () => {
    const y = t([1, 2], 0.5, 0.25);
    const pass = { x: y, y, dy: t([1, 2], 2, -4) };
    near(limits(gradientsOf(layer('tanh'), pass, cpu)[0]), [2 * g(3), 4 * g(3)]);
    // beyond 1, as a device's licence allows: y² + |1 − y²| = 2.25 + 1.25
    const over = { x: y, y: t([1, 2], 1.5, 0), dy: t([1, 2], 2, 1) };
    near(limits(gradientsOf(layer('tanh'), over, cpu)[0]), [7 * g(3), g(3)]);
    near(limits(gradientsOf(layer('sigmoid'), pass, cpu)[0]), [0.5 * g(3), 0.75 * g(3)]);
    // Σ|dy·y| = 1 + 1
    near(limits(gradientsOf(layer('softmax'), pass, cpu)[0]), [0.5 * 4 * g(5), 0.25 * 6 * g(5)]);
  });

  it('dropout: exact where the scale is a power of two or nothing is masked, else γ₂', () => {
    const exact = t([1, 2], 3, -1);
    const of = (ratio: number, convention: 'paper' | 'inverted', masked: boolean) =>
      [...scaledByMask({ ratio, convention }, exact, masked, arithmetic.cpu).bound].map((b) =>
        b < 2 ** -140 ? 0 : b,
      );
    expect([of(0.5, 'inverted', true), of(0.3, 'paper', true), of(0.3, 'inverted', false)]).to.deep.equal(
      new Array(3).fill([0, 0]),
    );
    near(of(0.3, 'inverted', true), [3 * g(2), g(2)]);
  });

  it('LRN: [(1 + ρ)(1 + σ/(1 − σ))(1 + γ_{n+6+2d})(1 + u) − 1] of |t| + |F·x|·Σ|v|', () => {
    const attributes = { size: 1, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 };
    const one = { x: t([1, 1, 1, 1], 2), y: t([1, 1, 1, 1], 0), dy: t([1, 1, 1, 1], -3) };
    // s = 5: t = 3·5^−¾, v = t·2/5, F = 1.5, so |t|·(1 + 1.5·2·2/5)
    const magnitude = 3 * 5 ** -0.75 * 2.2;
    const rho = (n: number) => (1 - g(n)) ** -0.75 - 1;
    const all = (r: number, sigma: number, after: number) =>
      (1 + r) * (1 + sigma / (1 - sigma)) * (1 + after) * (1 + u) - 1;
    const lrn = layer('lrn', attributes);
    near(limits(gradientsOf(lrn, one, cpu)[0]), [magnitude * all(rho(6) + 50 * u, g(6), g(9))]);
    near(limits(gradientsOf(lrn, one, contextOn('cuda'))[0]), [
      magnitude * all(rho(9) + 16 * u, g(9), g(15)),
    ]);
    // within maps n = size² = 9, α′ = 1/9: s = 1 + 4/9, F = 1/6
    const maps = layer('mapnorm', { size: 3, alpha: 1, beta: 0.75, k: 1, divide: true });
    const s = 13 / 9;
    const inMaps = 3 * s ** -0.75 * (1 + ((1 / 6) * 4) / s);
    near(limits(gradientsOf(maps, one, cpu)[0]), [inMaps * all(rho(14) + 50 * u, g(14), g(17))]);
  });

  it('LRN: what is lost where nothing else is, τ·(3 + |x|·(n + F·(n·((max|x| + 1)/min s + 1) + n)))', () => {
    const attributes = { size: 1, alpha: 1, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 };
    const of = (
      kind: 'lrn' | 'mapnorm',
      about: object,
      x: ReturnType<typeof t>,
      device: 'cpu' | 'webgpu',
    ) => {
      const zero = t(x.shape, ...new Array(x.size).fill(0));
      return limits(gradientsOf(layer(kind, about), { x, y: zero, dy: zero }, contextOn(device))[0]);
    };
    // s = 5, F = 1.5: 3 + 2·(1 + 1.5·(3/5 + 1 + 1))
    near(of('lrn', attributes, t([1, 1, 1, 1], 2), 'cpu'), [12.8 * 2 ** -150]);
    near(of('lrn', attributes, t([1, 1, 1, 1], 2), 'webgpu'), [12.8 * 2 ** -126]);
    // s = 5 and 10, the larger |x| 3: 3 + 2·(1 + 1.5·(4/5 + 1 + 1)), 3 + 3·5.2
    near(
      of('lrn', attributes, t([1, 2, 1, 1], 2, -3), 'cpu'),
      [13.4, 18.6].map((v) => v * 2 ** -150),
    );
    // n = 9, s = 13/9, F = 1/6: 9·(3·9/13 + 1) + 9 = 477/13
    const maps = { size: 3, alpha: 1, beta: 0.75, k: 1, divide: true };
    near(of('mapnorm', maps, t([1, 1, 1, 1], 2), 'cpu'), [(3 + 2 * (9 + 477 / 13 / 6)) * 2 ** -150]);
  });

  it('gradients are float64, and each of equal maxima gets all of dy', () => {
    const about = { kernel: [1, 2], stride: [1, 2], pad: [0, 0, 0, 0], rounding: 'floor' };
    const pass = { x: t([1, 1, 1, 2], 3, 3), y: t([1, 1, 1, 1], 3), dy: t([1, 1, 1, 1], 5) };
    expect([...gradientsOf(layer('maxpool', about), pass, cpu)[0]!.exact.data]).to.deep.equal([5, 5]);
    const y = t([1, 1], 2 ** -13);
    // 1 − y² has more digits than float32
    const [dx] = gradientsOf(layer('tanh'), { x: y, y, dy: t([1, 1], 1) }, cpu);
    expect(dx!.exact.data[0]).to.equal(1 - 2 ** -26);
    const none = gradientsOf(
      linear('y', 1),
      {
        x: t([1, 1], 2),
        y: t([1, 1], 0),
        dy: t([1, 1], 1),
        weights: new Map([['y.weight', t([1, 1], 3)]]),
        wanted: { dx: false },
      },
      cpu,
    );
    expect(none[0]).to.equal(null);
    expect(none[1]!.exact.data[0]).to.equal(2);
  });

  it('several readers: each part’s bound, and γ_{r−1} of their magnitudes', () => {
    const part = (value: number, bound: number): Judged => ({
      exact: t([1], value),
      bounds: { bound: Float64Array.of(bound) },
    });
    const three = summed([part(3, 0.5), part(-4, 0.25), part(1, 0)], arithmetic.cpu);
    near(limits(three), [0.75 + g(2) * (3.5 + 4.25 + 1)]);
    expect(three.exact.get(0)).to.equal(0);
    near(limits(summed([part(0, 0), part(0, 0)], arithmetic.webgpu)), [2 * 2 ** -126]);
    near(limits(summed([part(3, 0.5)], arithmetic.cpu)), [0.5]);
  });
});

describe('loss by hand', () => {
  // logits (1, 0), label 1: p = (0.731059, 0.268941), log Σ = ln(1 + e⁻¹) = 0.313262, loss 1.313262
  const logits = t([1, 2], 1, 0);
  const [p, q] = [1 / (1 + Math.exp(-1)), 1 / (1 + Math.exp(1))];
  const log = Math.log1p(Math.exp(-1));

  it('the sum’s error, the logarithm’s licence, the roundings of z and of the difference, the mean', () => {
    // licence of exp(0) and exp(−1) with its rounded exponent; of the logarithm; γ_K = 2u; mean γ_{1+1+d}
    const devices = { cpu: [8, 9, 8 * log, 3], cuda: [4, 5, 2 * log, 6], webgpu: [6, 11, 8, 7] } as const;
    for (const [name, [first, second, licence, mean]] of Object.entries(devices)) {
      const { loss } = lossBounds(logits, [1], 1, name as keyof typeof devices);
      const relative = p * first + q * second + 2;
      const wanted = relative + licence + 1 + (1 + log) + mean * (1 + log);
      expect(loss.bounds.bound[0] / u, name).to.be.closeTo(wanted, SECOND_ORDER);
      expect(loss.exact.data[0]).to.be.closeTo(1 + log, 1e-12);
    }
  });

  it('each image has its own logits', () => {
    const alone = (by: number) => {
      const { exact, bounds } = lossBounds(t([1, 2], by, 0), [1], 1, 'cpu').loss;
      const loss = exact.data[0] as number;
      // the error of the loss before the mean over one, γ_{1+1+d}
      return { loss, error: (bounds.bound[0] - g(3) * loss) / (1 + g(3)) };
    };
    const [a, b] = [alone(1), alone(5)];
    const sum = a.error + b.error;
    near(lossBounds(t([2, 2], 1, 0, 5, 0), [1, 1], 1, 'cpu').loss.bounds.bound, [
      (sum + g(4) * (a.loss + b.loss + sum)) / 2,
    ]);
  });

  it('a class that is ruled out may lose what underflows', () => {
    const { dlogits } = lossBounds(t([1, 2], 0, -200), [0], 0.5, 'cpu');
    near([dlogits.bounds.bound[1]], [0.5 * 2 ** -125 * (1 + g(6)) + 2 ** -149]);
  });

  it('logits count by their distance to the largest alone', () => {
    for (const by of [3, -3]) {
      const moved = lossBounds(t([1, 2], 1 + by, by), [1], 1, 'cpu').loss.bounds.bound;
      near(moved, [...lossBounds(logits, [1], 1, 'cpu').loss.bounds.bound]);
    }
  });

  it('a thousand equal logits: ρ/(1 − ρ) of the sum, each rounding by 1 + ρ more', () => {
    const K = 1000;
    const many = lossBounds(t([1, K], ...new Array(K).fill(2)), [7], -0.5, 'cpu');
    const rho = Math.expm1(8 * u) + g(K);
    const log = Math.log(K);
    // the logarithm's 8 units, no distance, the difference; the mean γ_{1+1+d}
    const sum = rho / (1 - rho) + 9 * log * u * (1 + rho);
    near(many.loss.bounds.bound, [sum + g(3) * (log + sum)]);
    const e = Math.expm1(8 * u);
    const ofP = 1e-3 * (2 * e + g(K + 2)) * (1 + e + g(K + 2));
    const { bound } = many.dlogits.bounds;
    near(
      [bound[0], bound[7]],
      [1e-3, 0.999].map((dz) => 0.5 * ((1 + g(6)) * ofP + g(6) * dz)),
    );
  });

  it('the mean of two images: half of their sum’s', () => {
    const two = lossBounds(t([2, 2], 1, 0, 1, 0), [1, 1], 1, 'cpu').loss.bounds.bound[0];
    const relative = p * 8 + q * 9 + 2;
    expect(two / u).to.be.closeTo(relative + 8 * log + 1 + (1 + log) + 4 * (1 + log), SECOND_ORDER);
  });

  it('the logits’ gradient: softmax’s bound times |c|/N, and γ₆ of the result', () => {
    const { dlogits } = lossBounds(t([2, 2], 1, 0, 1, 0), [1, 0], -0.01, 'cpu');
    const common = p * 8 + q * 9 + 4;
    const ofP = [p * (8 + common), q * (9 + common)];
    const magnitude = [p, 1 - q, 1 - p, q];
    for (const [i, m] of magnitude.entries()) {
      expect(dlogits.bounds.bound[i] / u).to.be.closeTo(0.005 * (ofP[i % 2] + 6 * m), 0.005 * SECOND_ORDER);
      expect(dlogits.exact.data[i]).to.be.closeTo(0.005 * (i % 3 === 0 ? -m : m), 1e-12);
    }
  });
});
