import { expect } from 'chai';
import { fromFloat16, toFloat16 } from '../../../export/float16.ts';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import type { BoundsContext } from '../../../lib/bounds/bounds.ts';
import type { Comparison } from '../../../lib/judge/judge.ts';
import { linear as linearLayer } from '../../../reference/networks/layers.ts';
import { normals, words } from '../../../reference/random.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { dot, flush, type Order, orders, roundTo } from '../../support/float32.ts';
import { judgeLayer } from '../../support/judge-layer.ts';

const OUTPUTS = 24;
const layer = linearLayer('fc', OUTPUTS);
const context: BoundsContext = {
  device: 'cpu',
  operands: classes.float32,
  half: false,
  runningSum: false,
};

interface Case {
  readonly x: Tensor;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** Values of one case: m inputs, normal numbers times `scale`, in the order input, weights, biases. */
function makeCase(seed: number, m: number, scale: (i: number) => number): Case {
  const values = Float32Array.from(normals(seed, 1, (OUTPUTS + 1) * m + OUTPUTS), (v, i) => v * scale(i));
  const x = tensor(values.slice(0, m), [1, m]);
  const weight = tensor(values.slice(m, (OUTPUTS + 1) * m), [OUTPUTS, m]);
  return {
    x,
    weights: new Map([
      ['fc.weight', weight],
      ['fc.bias', tensor(values.slice((OUTPUTS + 1) * m), [OUTPUTS])],
    ]),
  };
}

function evaluate(
  { x, weights }: Case,
  order: Order,
  fused: boolean,
  operand = (v: number) => v,
  round?: (v: number) => number,
): Tensor {
  const X = Array.from(dense(x), operand);
  const W = dense(weights.get('fc.weight')!);
  const B = dense(weights.get('fc.bias')!);
  const m = X.length;
  const y = Float32Array.from(B, (b, o) =>
    dot(Array.from(W.subarray(o * m, (o + 1) * m), operand), X, round ? round(b) : b, order, fused, round),
  );
  return tensor(y, [1, OUTPUTS]);
}

const judge = (c: Case, y: Tensor, operands = context.operands): Comparison =>
  judgeLayer(layer, [c.x], y, c.weights, { ...context, operands });

/** How the numbers of a case are scaled: what rounding error analysis must survive. */
const regimes: Record<string, (i: number) => number> = {
  ordinary: () => 1,
  'widely spread': (i) => 2 ** ((i * 7919) % 41) / 2 ** 20,
  huge: () => 1e15,
  tiny: () => 1e-15,
  'subnormal products': () => 1e-21,
  'subnormal operands': (i) => (i % 2 ? 1e-40 : 1),
};

describe('bounds of dot products', () => {
  for (const [name, scale] of Object.entries(regimes)) {
    it(`no right float32 evaluation breaks the bound: ${name} numbers, every order, with and without FMA`, () => {
      for (let seed = 0; seed < 25; seed++) {
        const c = makeCase(seed, 1 + (words(seed, 2, 1)[0] % 400), scale);
        for (const order of orders) {
          for (const fused of [false, true]) {
            const { overBound } = judge(c, evaluate(c, order, fused));
            expect(overBound, `seed ${seed}, ${order}, ${fused ? 'fused' : 'not fused'}`).to.be.at.most(1);
          }
        }
      }
    });
  }

  it('no device that flushes subnormal operands, products and sums breaks the bound of one that may', () => {
    let needed = 0;
    for (const [name, scale] of Object.entries(regimes)) {
      for (let seed = 0; seed < 10; seed++) {
        const c = makeCase(seed, 1 + (words(seed, 2, 1)[0] % 400), scale);
        for (const order of orders) {
          const y = evaluate(c, order, seed % 2 === 0, flush, flush);
          const by = (device: BoundsContext['device']) =>
            judgeLayer(layer, [c.x], y, c.weights, { ...context, device }).overBound;
          expect(by('webgpu'), `${name}, seed ${seed}, ${order}`).to.be.at.most(1);
          if (by('cpu') > 1) needed++;
        }
      }
    }
    expect(needed).to.be.above(0);
  });

  it('no right evaluation breaks it where the sum cancels', () => {
    for (let seed = 0; seed < 25; seed++) {
      const m = 200;
      const c = makeCase(seed, m, () => 1);
      const X = dense(c.x);
      const W = dense(c.weights.get('fc.weight')!);
      // the second half repeats the first with the other sign, so that Σ w·x is 0 but for rounding
      for (let i = 0; i < m / 2; i++) {
        X[m / 2 + i] = -X[i];
        for (let o = 0; o < OUTPUTS; o++) W[o * m + m / 2 + i] = W[o * m + i];
      }
      for (const order of orders) expect(judge(c, evaluate(c, order, false)).overBound).to.be.at.most(1);
    }
  });

  it('float32, TF32 and bfloat16 operands are told apart by effective bits', () => {
    for (let seed = 0; seed < 20; seed++) {
      const c = makeCase(seed, 363, () => 1);
      expect(judge(c, evaluate(c, 'forward', false)).arithmetic).to.equal('float32');
      expect(judge(c, evaluate(c, 'forward', false, roundTo(11))).arithmetic).to.equal('tf32-or-float16');
      expect(judge(c, evaluate(c, 'forward', false, roundTo(8))).arithmetic).to.equal('bfloat16');
    }
  });

  it('TF32 operands fail where float32 is required and pass where TF32 is', () => {
    const c = makeCase(3, 363, () => 1);
    const y = evaluate(c, 'forward', false, roundTo(11));
    expect(judge(c, y).verdict).to.equal('fail');
    expect(judge(c, y, classes.tf32).verdict).to.equal('pass');
  });

  it('a bias that dwarfs the products leaves the arithmetic undetermined', () => {
    const c = makeCase(5, 30, (i) => (i < 30 * (OUTPUTS + 1) ? 1e-4 : 1e3));
    expect(judge(c, evaluate(c, 'forward', false)).arithmetic).to.equal('undetermined');
  });

  it('NaN on the device alone, and infinity, are faults', () => {
    const c = makeCase(7, 30, () => 1);
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const y = evaluate(c, 'forward', false);
      dense(y)[2] = wrong;
      expect(judge(c, y)).to.include({ verdict: 'fail', beyond: 1 });
    }
  });

  it('a constant output is a fault where the oracle is not constant, and untested where it is', () => {
    const c = makeCase(9, 30, () => 1);
    expect(judge(c, tensor(new Float32Array(OUTPUTS), [1, OUTPUTS])).verdict).to.equal('fail');
    const still = {
      x: c.x,
      weights: new Map([...c.weights].map(([k, t]) => [k, tensor(new Float32Array(t.data.length), t.shape)])),
    };
    expect(judge(still, evaluate(still, 'forward', false)).verdict).to.equal('untested');
  });

  describe('a bias that a node of its own adds, values stored as float16', () => {
    const halves = (values: readonly number[]) => [...fromFloat16(toFloat16(Float32Array.from(values)))];
    const row = (values: readonly number[], shape: readonly number[]) =>
      tensor(Float32Array.from(values), shape);
    const m = 100;
    /** Sums of one sign, most of which the bias takes back: their float16 is much coarser than the result's. */
    function judged(biasApart: boolean, { scale = 1, wrong = 0 } = {}): Comparison {
      const drawn = normals(3, 1, (OUTPUTS + 1) * m).map((v) => scale * Math.abs(v));
      const x = halves([...drawn.slice(0, m)]);
      const w = halves([...drawn.slice(m)]);
      const sums = Array.from({ length: OUTPUTS }, (_, o) =>
        dot(w.slice(o * m, (o + 1) * m), x, 0, 'forward', false),
      );
      const b = halves(sums.map((s) => Math.max(-0.95 * s, -65504)));
      const y = halves(halves(sums).map((s, o) => s + b[o] * (1 + wrong)));
      const weights = new Map([
        ['fc.weight', row(w, [OUTPUTS, m])],
        ['fc.bias', row(b, [OUTPUTS])],
      ]);
      const how = { ...context, half: true, biasApart };
      return judgeLayer(layer, [row(x, [1, m])], row(y, [1, OUTPUTS]), weights, how);
    }

    it('the rounding of the sum before it is allowed, and a wrong bias is not', () => {
      expect(judged(true).verdict).to.equal('pass');
      expect(judged(false).verdict).to.equal('fail');
      expect(judged(true, { wrong: 0.01 }).verdict).to.equal('fail');
    });

    it('where that sum overflows nothing is promised', () => {
      const scale = Math.sqrt(1300);
      expect(judged(true, { scale }).reason).to.match(/^overflows/);
      expect(judged(false, { scale }).verdict).to.equal('fail');
    });
  });
});
