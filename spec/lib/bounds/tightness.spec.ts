/**
 * How much of its bound an honest float32 evaluation uses: at least what is recorded, so that a bound which grows
 * tenfold shows, and no more than all of it. Every evaluation rounds after each operation, in the plain order.
 */
import { expect } from 'chai';
import type { Bounds, Judged } from '../../../lib/bounds/bounds.ts';
import { lossBounds } from '../../../lib/bounds/loss.ts';
import { parameterBounds, velocityBounds } from '../../../lib/bounds/update.ts';
import { type Layer, linear, lrn } from '../../../reference/networks/layers.ts';
import { normals } from '../../../reference/random.ts';
import { dense, map, type Tensor, tensor } from '../../../reference/tensor.ts';
import { dot } from '../../support/float32.ts';
import { contextOn, gradientsOf, judgedOf, t } from '../../support/hand.ts';

const f = Math.fround;
const SEEDS = 30;
const draw = (seed: number, stream: number, ...shape: number[]): Tensor =>
  tensor(
    Float32Array.from(
      normals(
        seed,
        stream,
        shape.reduce((a, b) => a * b),
      ),
    ),
    shape,
  );
const sum = (values: readonly number[]): number => values.reduce((total, v) => f(total + v), 0);

/** The largest error over bound of 30 draws. */
function used(
  evaluate: (seed: number) => { y: readonly number[]; judged: Judged; by?: keyof Bounds },
): number {
  let most = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const { y, judged, by = 'bound' } = evaluate(seed);
    const exact = dense(judged.exact);
    const limits = judged.bounds[by] as Float64Array;
    for (const [i, v] of y.entries())
      if (v !== exact[i]) most = Math.max(most, Math.abs(v - exact[i]) / limits[i]);
  }
  return most;
}

const cpu = contextOn('cpu');
const rows = (x: Tensor): number[][] => {
  const [N, m] = x.shape;
  return Array.from({ length: N }, (_, n) => Array.from(dense(x).subarray(n * m, (n + 1) * m)));
};
/** Of pools that overlap. */
const window = { stride: [1, 1], pad: [0, 0, 0, 0], rounding: 'floor' };
const layer = (kind: Layer['kind'], attributes?: object): Layer => ({ name: 'y', kind, attributes }) as Layer;
/** x·s^−¾ as Sqrt(Sqrt) and divisions. */
const normalise = (x: number, s: number): number => {
  const root = f(Math.sqrt(f(Math.sqrt(s))));
  return f(f(x / root) / f(Math.sqrt(s)));
};

const evaluations: Record<string, { atLeast: number; of: Parameters<typeof used>[0] }> = {
  'a dot product of 16': {
    atLeast: 0.19,
    of(seed) {
      const [x, w, b] = [draw(seed, 1, 1, 16), draw(seed, 2, 8, 16), draw(seed, 3, 8)];
      const y = rows(w).map((row, k) => dot(row, rows(x)[0], dense(b)[k], 'forward', false));
      return { y, judged: judgedOf(linear('y', 8), x, cpu, w, b) };
    },
  },
  'a dot product of 300 against its expectation': {
    atLeast: 0.019,
    of(seed) {
      const [x, w] = [draw(seed, 1, 1, 300), draw(seed, 2, 8, 300)];
      const y = rows(w).map((row) => dot(row, rows(x)[0], 0, 'forward', false));
      return { y, judged: judgedOf(linear('y', 8), x, cpu, w), by: 'expectation' };
    },
  },
  'an average of 9': {
    atLeast: 0.12,
    of(seed) {
      const x = draw(seed, 1, 1, 4, 3, 3);
      const y = rows(tensor(dense(x), [4, 9])).map((row) => f(sum(row) / 9));
      return { y, judged: judgedOf(layer('adaptiveavgpool', { size: [1, 1] }), x, cpu) };
    },
  },
  'LRN by square roots': {
    atLeast: 0.06,
    of(seed) {
      const x = draw(seed, 1, 1, 5, 1, 1);
      const one = lrn('y', { alpha: 1 });
      const X = Array.from(dense(x));
      const y = X.map((v, c) => {
        const window = X.slice(Math.max(0, c - 2), c + 3).map((w) => f(w * w));
        return normalise(v, f(1 + f(f(0.2) * sum(window))));
      });
      return { y, judged: judgedOf(one, x, cpu) };
    },
  },
  'LRN by a running sum behind a large channel': {
    atLeast: 0.032,
    of(seed) {
      const X = [1000, ...dense(draw(seed, 1, 7))].map(f);
      let running = 0;
      const y = X.map((v, c) => {
        running = f(running + f(v * v));
        if (c > 0) running = f(running - f(X[c - 1] * X[c - 1]));
        return normalise(v, f(1 + running));
      });
      const one = lrn('y', { size: 1, alpha: 1 });
      return { y, judged: judgedOf(one, t([1, 8, 1, 1], ...X), contextOn('cpu', { runningSum: true })) };
    },
  },
  softmax: {
    atLeast: 0.13,
    of(seed) {
      const x = draw(seed, 1, 1, 10);
      const m = Math.max(...dense(x));
      const terms = Array.from(dense(x), (v) => f(Math.exp(f(v - m))));
      const total = sum(terms);
      return { y: terms.map((v) => f(v / total)), judged: judgedOf(layer('softmax'), x, cpu) };
    },
  },
  tanh: {
    atLeast: 0.061,
    of(seed) {
      const x = draw(seed, 1, 1, 10);
      return { y: Array.from(dense(x), (v) => f(Math.tanh(v))), judged: judgedOf(layer('tanh'), x, cpu) };
    },
  },
  'a product with 0.7': {
    atLeast: 0.58,
    of(seed) {
      const x = draw(seed, 1, 1, 20);
      const y = Array.from(dense(x), (v) => f(v * f(0.7)));
      return { y, judged: judgedOf(layer('dropout', { ratio: 0.3, convention: 'paper' }), x, cpu) };
    },
  },
  'the gradient of weights over 8 images': {
    atLeast: 0.2,
    of(seed) {
      const [x, dy] = [draw(seed, 1, 8, 6), draw(seed, 2, 8, 1)];
      const weights = new Map([
        ['y.weight', draw(seed, 3, 1, 6)],
        ['y.bias', draw(seed, 4, 1)],
      ]);
      const columns = Array.from({ length: 6 }, (_, i) => rows(x).map((row) => row[i]));
      const y = columns.map((column) => dot(column, Array.from(dense(dy)), 0, 'forward', false));
      return { y, judged: gradientsOf(linear('y', 1), { x, y: dy, dy, weights }, cpu)[1]! };
    },
  },
  'the gradient of biases': {
    atLeast: 0.074,
    of(seed) {
      const [x, dy] = [draw(seed, 1, 16, 1), draw(seed, 2, 16, 1)];
      const weights = new Map([
        ['y.weight', draw(seed, 3, 1, 1)],
        ['y.bias', draw(seed, 4, 1)],
      ]);
      const judged = gradientsOf(linear('y', 1), { x, y: dy, dy, weights }, cpu)[2]!;
      return { y: [sum(Array.from(dense(dy)))], judged };
    },
  },
  sigmoid: {
    atLeast: 0.039,
    of(seed) {
      const x = draw(seed, 1, 1, 10);
      const y = Array.from(dense(x), (v) => f(1 / f(1 + f(Math.exp(-v)))));
      return { y, judged: judgedOf(layer('sigmoid'), x, cpu) };
    },
  },
  'the gradient of inputs that six neurons read': {
    atLeast: 0.25,
    of(seed) {
      const [x, w, dy] = [draw(seed, 1, 1, 4), draw(seed, 2, 6, 4), draw(seed, 3, 1, 6)];
      const columns = Array.from({ length: 4 }, (_, i) => rows(w).map((row) => row[i]));
      const y = columns.map((column) => dot(column, rows(dy)[0], 0, 'forward', false));
      const weights = new Map([['y.weight', w]]);
      return { y, judged: gradientsOf(linear('y', 6), { x, y: dy, dy, weights }, cpu)[0]! };
    },
  },
  'the gradient of a maximum of four windows': {
    atLeast: 0.37,
    of(seed) {
      const x = t([1, 1, 3, 3], 0, 0, 0, 0, 9, 0, 0, 0, 0);
      const dy = draw(seed, 1, 1, 1, 2, 2);
      const [a, b, c, d] = dense(dy);
      const y = Array.from(dense(x), (v) => (v > 0 ? f(f(a + b) + f(c + d)) : 0));
      const pass = { x, y: t([1, 1, 2, 2], 9, 9, 9, 9), dy };
      return { y, judged: gradientsOf(layer('maxpool', { ...window, kernel: [2, 2] }), pass, cpu)[0]! };
    },
  },
  'the gradient of averages of 3×3': {
    atLeast: 0.31,
    of(seed) {
      const dy = draw(seed, 1, 1, 1, 2, 2);
      const third = f(1 / 3);
      // rows, or columns, 0 … 3: the first is in the first window alone, the last in the last
      const spread = ([a, b]: readonly number[]) => {
        const [first, last] = [f(third * a), f(third * b)];
        return [first, f(first + last), f(first + last), last];
      };
      const [top, bottom] = rows(tensor(dense(dy), [2, 2])).map(spread);
      const lines = top.map((v, i) => spread([v, bottom[i]]));
      const y = Array.from({ length: 16 }, (_, i) => lines[i % 4][Math.floor(i / 4)]);
      const pass = { x: draw(seed, 2, 1, 1, 4, 4), y: dy, dy };
      const average = layer('avgpool', { ...window, kernel: [3, 3], divisor: 'window' });
      return { y, judged: gradientsOf(average, pass, cpu)[0]! };
    },
  },
  'the gradient of tanh': {
    atLeast: 0.36,
    of(seed) {
      const [y, dy] = [map(draw(seed, 1, 1, 10), (v) => f(Math.tanh(v))), draw(seed, 2, 1, 10)];
      const dx = Array.from(dense(y), (v, i) => f(dense(dy)[i] * f(1 - f(v * v))));
      return { y: dx, judged: gradientsOf(layer('tanh'), { x: y, y, dy }, cpu)[0]! };
    },
  },
  'the gradient of sigmoid': {
    atLeast: 0.7,
    of(seed) {
      const [y, dy] = [map(draw(seed, 1, 1, 10), (v) => f(1 / (1 + Math.exp(-v)))), draw(seed, 2, 1, 10)];
      const dx = Array.from(dense(y), (v, i) => f(f(dense(dy)[i] * v) * f(1 - v)));
      return { y: dx, judged: gradientsOf(layer('sigmoid'), { x: y, y, dy }, cpu)[0]! };
    },
  },
  'the gradient of softmax': {
    atLeast: 0.17,
    of(seed) {
      const [x, dy] = [draw(seed, 1, 1, 6), draw(seed, 2, 1, 6)];
      const terms = Array.from(dense(x), Math.exp);
      const total = terms.reduce((a, b) => a + b);
      const y = t([1, 6], ...terms.map((v) => v / total));
      const common = sum(Array.from(dense(y), (v, i) => f(v * dense(dy)[i])));
      const dx = Array.from(dense(y), (v, i) => f(v * f(dense(dy)[i] - common)));
      return { y: dx, judged: gradientsOf(layer('softmax'), { x, y, dy }, cpu)[0]! };
    },
  },
  'the loss of three images': {
    atLeast: 0.073,
    of(seed) {
      const [logits, labels] = [draw(seed, 1, 3, 10), [seed % 10, 3, 7]];
      const losses = rows(logits).map((z, n) => {
        const m = Math.max(...z);
        const log = f(Math.log(sum(z.map((v) => f(Math.exp(f(v - m)))))));
        return f(log - f(z[labels[n]] - m));
      });
      return { y: [f(sum(losses) / 3)], judged: lossBounds(logits, labels, 1, 'cpu').loss };
    },
  },
  'the gradient of logits': {
    atLeast: 0.22,
    of(seed) {
      const [logits, labels] = [draw(seed, 1, 3, 10), [seed % 10, 3, 7]];
      const y = rows(logits).flatMap((z, n) => {
        const m = Math.max(...z);
        const terms = z.map((v) => f(Math.exp(f(v - m))));
        const total = sum(terms);
        return terms.map((e, k) => f(f(f(e / total) - Number(k === labels[n])) * f(1 / 3)));
      });
      return { y, judged: lossBounds(logits, labels, 1, 'cpu').dlogits };
    },
  },
  'a parameter': {
    atLeast: 0.98,
    of(seed) {
      const [w, v] = [1, 2].map((stream) => draw(seed, stream, 20));
      const y = Array.from(dense(w), (value, i) => f(value + dense(v)[i]));
      const own = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };
      return { y, judged: parameterBounds('paper', own, { w, v }, cpu) };
    },
  },
  'a velocity': {
    atLeast: 0.22,
    of(seed) {
      const [w, v, G] = [1, 2, 3].map((stream) => draw(seed, stream, 20));
      const own = { learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 };
      const c = f(-f(0.01) * f(0.0005));
      const y = Array.from(dense(w), (_, i) =>
        f(f(f(f(0.9) * dense(v)[i]) + f(c * dense(w)[i])) + f(2 * dense(G)[i])),
      );
      return { y, judged: velocityBounds('paper', own, 2, { w, v }, { value: G }, cpu) };
    },
  },
};

describe('how much of a bound honest evaluations use', () => {
  for (const [name, { atLeast, of }] of Object.entries(evaluations))
    it(`${name}: at least ${atLeast}, at most 1`, () => {
      expect(used(of)).to.be.within(atLeast, 1);
    });

  it('and a bound that is ten times as wide is found', () => {
    const { atLeast, of } = evaluations['a dot product of 16'];
    const wide = (seed: number) => {
      const { y, judged } = of(seed);
      const bound = judged.bounds.bound.map((limit) => 10 * limit);
      return { y, judged: { ...judged, bounds: { ...judged.bounds, bound } } };
    };
    expect(used(wide)).to.be.below(atLeast);
  });
});
