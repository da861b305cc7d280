import { expect } from 'chai';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import {
  coefficientsOf,
  defaultFactor,
  type Hyper,
  rules,
  update,
  updateAll,
  zeroMomenta,
} from '../../../reference/training/optimiser.ts';
import { difference, hashed } from '../../support/training.ts';

const one = (value: number) => Float64Array.of(value);

describe('reference/optimiser', () => {
  it('one step by hand under each rule', () => {
    // ε ¼, µ ½, λ ⅛, w 8, v 4, g 2: exact in binary
    const c = { learningRate: 0.25, momentum: 0.5, weightDecay: 0.125 };
    const run = (rule: (typeof rules)[number]) => {
      const { w, v } = update(rule, one(8), one(4), one(2), c);
      return [v[0], w[0]];
    };
    expect(run('paper')).to.deep.equal([2 - 0.25 - 0.5, 9.25]); // µv − λεw − εg; w + v
    expect(run('as-run')).to.deep.equal([1.25, 9.25]);
    expect(run('caffe')).to.deep.equal([2 + 0.25 * (2 + 1), 5.25]); // µv + ε(g + λw); w − v
    expect(run('pytorch')).to.deep.equal([2 + 2 + 1, 6.75]); // µv + g + λw; w − εv
  });

  it('for a constant rate all rules are the same descent; after a drop PyTorch slows down at once', () => {
    const all = new Map(rules.map((rule) => [rule, { w: one(1), v: one(0) }]));
    const step = (learningRate: number, i: number) => {
      for (const [rule, { w, v }] of all) {
        const g = new Float64Array(w).map((value) => 3 * value + 0.1 * i);
        all.set(rule, update(rule, w, v, g, { learningRate, momentum: 0.9, weightDecay: 0.01 }) as never);
      }
    };
    for (let i = 0; i < 6; i++) step(0.05, i);
    const [paper, caffe, pytorch] = [all.get('paper')!, all.get('caffe')!, all.get('pytorch')!];
    expect(caffe.w[0]).to.be.closeTo(paper.w[0], 1e-15);
    expect(pytorch.w[0]).to.be.closeTo(paper.w[0], 1e-15);
    expect(caffe.v[0]).to.be.closeTo(-paper.v[0], 1e-15);
    expect(-0.05 * pytorch.v[0]).to.be.closeTo(paper.v[0], 1e-15);
    step(0.005, 6);
    expect(all.get('caffe')!.w[0]).to.be.closeTo(all.get('paper')!.w[0], 1e-15);
    const moved = (rule: (typeof rules)[number]) => Math.abs(all.get(rule)!.w[0] - paper.w[0]);
    expect(moved('pytorch')).to.be.below(0.2 * moved('paper'));
  });

  it('knows who treats biases otherwise', () => {
    const of = (rule: (typeof rules)[number]) =>
      ['conv1.weight', 'conv1.bias'].map((name) => {
        const { rate, decay } = defaultFactor(rule, name);
        return [rate, decay];
      });
    expect(of('paper')).to.deep.equal([
      [1, 1],
      [1, 1],
    ]);
    expect(of('pytorch')).to.deep.equal(of('paper'));
    expect(of('caffe')).to.deep.equal([
      [1, 1],
      [2, 0],
    ]);
    expect(of('as-run')).to.deep.equal(of('caffe'));
    expect(coefficientsOf({ rule: 'caffe', learningRate: 0.01 }, 'fc8.bias')).to.deep.equal({
      learningRate: 0.02,
      momentum: 0.9,
      weightDecay: 0,
    });
  });

  describe('over all parameters', () => {
    const weights = new Map<string, Tensor>([
      ['conv1.weight', hashed('w', [2, 3])],
      ['conv1.bias', hashed('b', [2])],
    ]);
    const gradients = new Map([...weights].map(([name, w]) => [name, hashed(`d${name}`, w.shape)]));
    const momenta = new Map([...weights].map(([name, w]) => [name, hashed(`v${name}`, w.shape)]));
    const hyper: Hyper = { rule: 'paper', learningRate: 0.1 };

    it('leaves what it was given as it was, and a frozen parameter and its momentum too', () => {
      const before = [...dense(weights.get('conv1.weight')!)];
      for (const rule of rules) {
        const factors = new Map([['conv1.bias', { rate: 0, decay: 1 }]]);
        const next = updateAll(weights, momenta, gradients, { ...hyper, rule, factors });
        expect([...dense(weights.get('conv1.weight')!)]).to.deep.equal(before);
        expect([...dense(next.weights.get('conv1.weight')!)]).not.to.deep.equal(before);
        for (const [after, old] of [
          [next.weights, weights],
          [next.momenta, momenta],
        ] as const) {
          expect([...dense(after.get('conv1.bias')!)]).to.deep.equal([...dense(old.get('conv1.bias')!)]);
        }
      }
    });

    it('float32: v is rounded once, and w reads the rounded v', () => {
      const single = (t: Tensor) => tensor(Float32Array.from(dense(t)), t.shape);
      const [w, v, g] = [weights, momenta, gradients].map(
        (all) => new Map([...all].map(([k, t]) => [k, single(t)])),
      );
      const next = updateAll(w, v, g, hyper);
      for (const name of w.keys()) {
        const [W, V, G] = [w, v, g].map((all) => dense(all.get(name)!));
        const velocity = V.map((_, i) => Math.fround(0.9 * V[i] - 0.0005 * 0.1 * W[i] - 0.1 * G[i]));
        expect(difference(dense(next.momenta.get(name)!), velocity), name).to.be.below(2 ** -22);
        const stored = dense(next.momenta.get(name)!);
        expect([...dense(next.weights.get(name)!)]).to.deep.equal(
          [...W].map((value, i) => Math.fround(value + stored[i])),
        );
      }
    });

    it('starts from momenta of 0, shaped and stored as the weights', () => {
      const zero = zeroMomenta(weights);
      for (const [name, w] of weights) {
        expect(zero.get(name)!.shape).to.deep.equal(w.shape);
        expect([...dense(zero.get(name)!)]).to.deep.equal(new Array(w.size).fill(0));
        expect(zero.get(name)!.data).to.be.instanceOf(Float64Array);
      }
    });

    it('refuses what makes no sense, naming the parameter', () => {
      const without = new Map([...gradients].slice(0, 1));
      expect(() => updateAll(weights, momenta, without, hyper)).to.throw(
        'optimiser: gradient of conv1.bias must be shaped [2] (= [none])',
      );
      expect(() => updateAll(weights, without, gradients, hyper)).to.throw(
        'optimiser: momentum of conv1.bias',
      );
      expect(() => updateAll(weights, momenta, gradients, { ...hyper, learningRate: -1 })).to.throw(
        'optimiser: learningRate of conv1.weight must be at least 0 (= -1)',
      );
      expect(() => updateAll(weights, momenta, gradients, { ...hyper, momentum: NaN })).to.throw('momentum');
      const unknown = { ...hyper, rule: 'adam' as 'paper' };
      expect(() => updateAll(weights, momenta, gradients, unknown)).to.throw(
        "optimiser: unknown rule 'adam' (there are: paper, as-run, caffe, pytorch)",
      );
    });
  });
});
