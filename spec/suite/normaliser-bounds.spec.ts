/**
 * Right float32 evaluations of the operations that are more than sums of products, made by hand: sums in any
 * order, with and without FMA, subnormals kept or flushed, and every function off by all that the device's
 * standard allows, up or down.
 */
import { expect } from 'chai';
import { arithmetic, classes, U32 } from '../../lib/bounds/arithmetic.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { normals, words } from '../../reference/random.ts';
import { dense, type Shape, type Tensor, tensor } from '../../reference/tensor.ts';
import { dot, flush, orders } from '../support/float32.ts';
import { judgeLayer } from '../support/judge-layer.ts';

/** Float32 arithmetic of a device, as far off as it may be. */
interface Machine {
  readonly round: (v: number) => number;
  readonly sum: (values: readonly number[]) => number;
  readonly squares: (values: readonly number[]) => number;
  readonly divide: (a: number, b: number) => number;
  readonly sqrt: (v: number) => number;
  readonly exp: (v: number) => number;
  readonly pow: (base: number, exponent: number) => number;
}

/** Orders, FMA and the signs of the functions' errors depend on the seed. */
function machine(device: 'cpu' | 'webgpu', seed: number): Machine {
  const licence = arithmetic[device];
  const round = licence.flushes ? flush : Math.fround;
  const dice = words(seed, 9, 2);
  const order = orders[dice[0] % orders.length];
  const fused = dice[1] % 2 === 1;
  let signs = dice[1] >>> 1;
  // one unit of the licence is the rounding itself
  const off = (exact: number, units: number): number => {
    signs = (signs * 1664525 + 1013904223) >>> 0;
    return round(exact * (1 + (signs >>> 31 ? 1 : -1) * (units - 1.001) * U32));
  };
  return {
    round,
    sum: (values) =>
      dot(
        values,
        values.map(() => 1),
        0,
        order,
        fused,
        round,
      ),
    squares: (values) => dot(values, values, 0, order, fused, round),
    divide: (a, b) => (licence.divide === 1 ? round(a / b) : off(a / b, licence.divide)),
    sqrt: (v) => (licence.sqrt === 1 ? round(Math.sqrt(v)) : off(Math.sqrt(v), licence.sqrt)),
    exp: (v) => off(Math.exp(v), licence.exp(v)),
    pow: (base, exponent) => off(base ** exponent, licence.pow(base, exponent)),
  };
}

/** x·s^−β in the ways that engines compute it. */
const powers: readonly ((m: Machine, x: number, s: number, beta: number) => number)[] = [
  (m, x, s, beta) => m.round(x * m.pow(s, -beta)),
  (m, x, s, beta) => m.divide(x, m.pow(s, beta)),
  (m, x, s, beta) => {
    if (beta !== 0.75) return m.round(x * m.pow(s, -beta));
    const root = m.sqrt(s);
    return m.round(x * m.divide(1, m.round(root * m.sqrt(root))));
  },
];

/** s = k + α′·Σx², α divided beforehand, or the sum. */
const sums: readonly ((m: Machine, squares: number, n: number, alpha: number, k: number) => number)[] = [
  (m, squares, n, alpha, k) => m.round(k + m.round(m.divide(alpha, n) * squares)),
  (m, squares, n, alpha, k) => m.round(k + m.round(alpha * m.divide(squares, n))),
];

type Evaluate = (m: Machine, x: Tensor) => number[];
interface Form {
  readonly layer: Layer;
  readonly shape: Shape;
  readonly evaluate: Evaluate;
}

const normalised = (
  layer: Layer & { kind: 'lrn' | 'mapnorm' },
  window: (x: Tensor, n: number, c: number, h: number, w: number) => number[],
  n: number,
): Form[] =>
  powers.flatMap((power) =>
    sums.map((sumOf): Form => {
      const shape: Shape = [2, 7, 3, 4];
      const { alpha, beta, k } = layer.attributes;
      const evaluate: Evaluate = (m, x) =>
        indices(shape).map(([i, c, h, w]) => {
          const s = sumOf(m, m.squares(window(x, i, c, h, w)), n, Math.fround(alpha), k);
          return power(m, x.get(i, c, h, w), s, Math.fround(beta));
        });
      return { layer, shape, evaluate };
    }),
  );

function indices([N, C, H, W]: Shape): number[][] {
  const count = N * C * H * W;
  return Array.from({ length: count }, (_, i) => [
    Math.floor(i / (C * H * W)),
    Math.floor(i / (H * W)) % C,
    Math.floor(i / W) % H,
    i % W,
  ]);
}

/** The values of x at start … start + size − 1 along an axis that are inside. */
const inside = (start: number, size: number, extent: number): number[] =>
  Array.from({ length: size }, (_, i) => start + i).filter((i) => i >= 0 && i < extent);

const lrn = (alpha: number, beta: number, size: number): Form[] =>
  normalised(
    {
      name: 'y',
      kind: 'lrn',
      attributes: { size, alpha, beta, k: 2, divide: true, even: 'above', groups: 1 },
    },
    (x, n, c, h, w) => inside(c - (size - 1) / 2, size, x.shape[1]).map((i) => x.get(n, i, h, w)),
    size,
  );

const mapnorm: Form[] = normalised(
  { name: 'y', kind: 'mapnorm', attributes: { size: 3, alpha: 5e-2, beta: 0.75, k: 1, divide: true } },
  (x, n, c, h, w) =>
    inside(h - 1, 3, x.shape[2]).flatMap((i) => inside(w - 1, 3, x.shape[3]).map((j) => x.get(n, c, i, j))),
  9,
);

const averages: Form[] = [false, true].map((byReciprocal) => ({
  layer: {
    name: 'y',
    kind: 'avgpool',
    attributes: { kernel: [3, 2], stride: [1, 2], pad: [0, 0, 0, 0], rounding: 'floor', divisor: 'window' },
  },
  shape: [2, 3, 5, 6],
  evaluate: (m, x) =>
    indices([2, 3, 3, 3]).map(([n, c, p, q]) => {
      const window = [0, 1, 2].flatMap((r) => [0, 1].map((s) => x.get(n, c, p + r, 2 * q + s)));
      return byReciprocal ? m.round(m.sum(window) * m.divide(1, 6)) : m.divide(m.sum(window), 6);
    }),
}));

const softmax: Form = {
  layer: { name: 'y', kind: 'softmax' },
  shape: [3, 17],
  evaluate: (m, x) =>
    [0, 1, 2].flatMap((n) => {
      const row = [...dense(x).subarray(17 * n, 17 * n + 17)];
      const largest = Math.max(...row);
      const e = row.map((v) => m.exp(m.round(v - largest)));
      const sum = m.sum(e);
      return e.map((v) => m.divide(v, sum));
    }),
};

const pointwise = (layer: Layer, f: (m: Machine, x: number) => number): Form => ({
  layer,
  shape: [3, 40],
  evaluate: (m, x) => [...dense(x)].map((v) => f(m, v)),
});
const dropout = pointwise(
  { name: 'y', kind: 'dropout', attributes: { ratio: 0.3, convention: 'paper' } },
  (m, x) => m.round(x * Math.fround(0.7)),
);
const sigmoid = pointwise({ name: 'y', kind: 'sigmoid' }, (m, x) => m.divide(1, m.round(1 + m.exp(-x))));
const tanh = pointwise({ name: 'y', kind: 'tanh' }, (m, x) => {
  // beyond 9.02 the nearest float32 number is 1
  if (Math.abs(x) > 9.02) return Math.sign(x);
  const [up, down] = [m.exp(x), m.exp(-x)];
  return m.divide(m.round((up - down) / 2), m.round((up + down) / 2));
});

type Regimes = Record<string, (v: number, i: number) => number>;
const values: Regimes = {
  ordinary: (v) => v,
  'behind ReLU': (v) => Math.max(0, 100 * v),
  'widely spread': (v, i) => v * 2 ** (((i * 7919) % 61) - 30),
  huge: (v) => 1e15 * v,
  tiny: (v) => 1e-20 * v,
  subnormal: (v) => 1e-40 * v,
};
const logits: Regimes = {
  ordinary: (v) => v,
  'large differences': (v) => 40 * v,
  'far from 0': (v) => 1e4 + v,
  tiny: (v) => 1e-6 * v,
};

/** Forms by what they compute, the values they are given, and the devices they stand for. */
const operations: Record<string, readonly [readonly Form[], Regimes, readonly ('cpu' | 'webgpu')[]]> = {
  'LRN, direct and decomposed': [[...lrn(1e-4, 0.75, 5), ...lrn(1, 0.3, 3)], values, ['cpu', 'webgpu']],
  'normalisation within maps': [mapnorm, values, ['cpu', 'webgpu']],
  'average pool': [averages, values, ['cpu', 'webgpu']],
  softmax: [[softmax], logits, ['cpu', 'webgpu']],
  dropout: [[dropout], values, ['cpu', 'webgpu']],
  sigmoid: [[sigmoid], logits, ['cpu', 'webgpu']],
  // the CPU's is a polynomial that does not cancel near 0
  tanh: [[tanh], logits, ['webgpu']],
};

/** |error| / bound of one evaluation. */
function overBound(
  { layer, shape, evaluate }: Form,
  x: Tensor,
  m: Machine,
  device: 'cpu' | 'webgpu',
): number {
  const y = Float32Array.from(evaluate(m, x));
  const out = layer.kind === 'avgpool' ? [2, 3, 3, 3] : shape;
  const context = { device, operands: classes.float32, half: false, runningSum: false };
  return judgeLayer(layer, [x], tensor(y, out), new Map(), context).overBound;
}

describe('bounds of what is more than products: no right float32 evaluation breaks them', () => {
  const CASES = 1000;
  for (const [name, [forms, regimes, devices]] of Object.entries(operations)) {
    it(`${name}: any order, with and without FMA, functions as wrong as they may be`, () => {
      let [cases, closest] = [0, 0];
      const seeds = Math.ceil(CASES / (forms.length * devices.length * Object.keys(regimes).length));
      for (const [regime, f] of Object.entries(regimes)) {
        for (let seed = 0; seed < seeds; seed++) {
          for (const [at, form] of forms.entries()) {
            for (const device of devices) {
              const count = form.shape.reduce((product, extent) => product * extent, 1);
              const x = tensor(Float32Array.from(normals(seed, 1, count), f), form.shape);
              const ratio = overBound(form, x, machine(device, seed), device);
              expect(ratio, `${regime}, seed ${seed}, form ${at}, ${device}`).to.be.at.most(1);
              closest = Math.max(closest, ratio);
              cases++;
            }
          }
        }
      }
      expect(cases).to.be.at.least(CASES);
      // a bound that nothing comes near would tell little
      expect(closest).to.be.at.least(0.05);
    }).timeout(60_000);
  }
});
