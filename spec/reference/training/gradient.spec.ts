/** Gradients of whole networks and training steps, against PyTorch and the two-tower form. */
import { expect } from 'chai';
import {
  concat,
  conv,
  flatten,
  from,
  linear,
  type Network,
  split,
} from '../../../reference/networks/layers.ts';
import { forward, type Weights } from '../../../reference/oracle.ts';
import { cast, dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { backward, step, trunk } from '../../../reference/training/gradient.ts';
import { defaultFactor, type Hyper, rules, zeroMomenta } from '../../../reference/training/optimiser.ts';
import { factorsFor } from '../../../reference/training/schedule.ts';
import {
  batchOf,
  difference,
  hashed,
  initial,
  narrow,
  narrowNets,
  resultsIn,
} from '../../support/training.ts';

const float64 = { precision: 'float64' } as const;

/**
 * The longest sums have 1700 terms and are added in another order by PyTorch: √1700·u a layer and program,
 * over some ten layers, relative to the largest element of a gradient: 1e-13. (Measured: 6e-15.) Five steps
 * carry that along.
 */
const ALLOWED = 1e-13;
const AFTER_FIVE_STEPS = 1e-12;

describe('reference/gradient: every network against PyTorch, float64', () => {
  const results = resultsIn('gradients.npz');

  for (const [name, { side, scale, dropout, widths }] of Object.entries(narrowNets)) {
    it(`${name}: loss, logits, every weight's gradient, the input's`, () => {
      const network = narrow(name, { side, widths });
      const batch = batchOf(name, network, scale, dropout);
      const found = backward(network, initial(name, network, scale), batch, float64);
      const wanted = (key: string) => results.get(`${name}/${key}`)!;
      expect(difference([found.loss], wanted('loss')), 'loss').to.be.below(ALLOWED);
      expect(difference(dense(found.logits), wanted('logits')), 'logits').to.be.below(ALLOWED);
      for (const [key, d] of found.gradients) {
        expect(d.data).to.be.instanceOf(Float64Array);
        expect(difference(dense(d), wanted(`d${key}`)), key).to.be.below(ALLOWED);
      }
      const every97th = dense(found.dinput!).filter((_, i) => i % 97 === 0);
      expect(difference(every97th, wanted('dinput')), 'dinput').to.be.below(ALLOWED);
      const count = [...results.keys()].filter((key) => key.startsWith(`${name}/d`)).length;
      expect(found.gradients.size).to.equal(count - 1);
    });
  }
});

describe('reference/gradient: five steps of training with given masks against PyTorch, float64', () => {
  const results = resultsIn('trajectory.npz');
  const { widths } = narrowNets.alexnet2012;
  const network = narrow('alexnet2012', { side: 67, widths });
  const rates = [0.01, 0.01, 0.01, 0.001, 0.001];

  for (const rule of rules) {
    it(`${rule}: losses, weights and momenta`, () => {
      let weights: Weights = initial('trajectory', network, 60);
      let momenta: Weights = zeroMomenta(weights);
      const losses = rates.map((learningRate, i) => {
        // as run: biases keep 0.02, conv1 stands still once the rate has dropped
        const layers = i >= 3 ? { conv1: 0 } : undefined;
        const settings = { learningRate, biasRate: 0.02, layers, lighting: true, finished: false };
        const base = (name: string) => defaultFactor(rule, name);
        const factors = rule === 'as-run' ? factorsFor(settings, weights.keys(), base) : undefined;
        const hyper: Hyper = { rule, learningRate, momentum: 0.9, weightDecay: 0.0005, factors };
        const batch = batchOf('trajectory', network, 60, true, `/${i}`);
        const next = step(network, weights, momenta, batch, hyper, float64);
        ({ weights, momenta } = next);
        return next.loss;
      });
      expect(difference(losses, results.get(`${rule}/losses`)!), 'losses').to.be.below(AFTER_FIVE_STEPS);
      for (const [name, w] of weights) {
        expect(difference(dense(w), results.get(`${rule}/${name}`)!), name).to.be.below(AFTER_FIVE_STEPS);
        const v = dense(momenta.get(name)!);
        expect(difference(v, results.get(`${rule}/v.${name}`)!), `v of ${name}`).to.be.below(
          AFTER_FIVE_STEPS,
        );
      }
    });
  }
});

describe('reference/gradient', () => {
  const { widths, scale } = narrowNets.alexnet2012;
  const network = narrow('alexnet2012', { side: 67, widths });
  const weights = initial('alexnet2012', network, scale);
  const batch = batchOf('alexnet2012', network, scale, true);
  const bits = (t: Tensor | null) => [...dense(t!)];

  /** conv2, conv4 and conv5 written as the paper's figure 2: each tower by itself, joined where both are seen. */
  function towers(grouped: Network): Network {
    const layers = grouped.layers.flatMap((layer, index) => {
      if (layer.kind !== 'conv2d' || layer.attributes.groups === 1) return [layer];
      const [input, size] = [grouped.layers[index - 1].name, layer.kernel[0]];
      const options = { pad: layer.attributes.pad };
      return [
        split(`${layer.name}/in-a`, input, 2, 0),
        conv(`${layer.name}-a`, layer.channels / 2, size, options),
        split(`${layer.name}/in-b`, input, 2, 1),
        conv(`${layer.name}-b`, layer.channels / 2, size, options),
        concat(layer.name, [`${layer.name}-a`, `${layer.name}-b`]),
      ];
    });
    return { ...grouped, layers };
  }

  /** The weights of both towers, named as `towers` names its layers. */
  function parted(all: Weights, net: Network): Map<string, Tensor> {
    const grouped = net.layers.filter((l) => l.kind === 'conv2d' && l.attributes.groups === 2);
    const names = new Set(grouped.map(({ name }) => name));
    return new Map(
      [...all].flatMap(([key, t]): [string, Tensor][] => {
        const [layer, kind] = key.split('.');
        if (!names.has(layer)) return [[key, t]];
        const half = t.size / 2;
        return ['a', 'b'].map((tower, i) => [
          `${layer}-${tower}.${kind}`,
          tensor(dense(t).slice(i * half, (i + 1) * half), [t.shape[0] / 2, ...t.shape.slice(1)]),
        ]);
      }),
    );
  }

  for (const precision of ['float32', 'float64'] as const) {
    it(`groups are the paper's two towers: forward and backward have the same bits in ${precision}`, () => {
      const [two, halves] = [towers(network), parted(weights, network)];
      expect(bits(forward(two, halves, batch.input, { precision }))).to.deep.equal(
        bits(forward(network, weights, batch.input, { precision })),
      );
      const options = { precision };
      const [one, other] = [
        backward(network, weights, batch, options),
        backward(two, halves, batch, options),
      ];
      const expected = parted(one.gradients, network);
      expect([...other.gradients.keys()]).to.have.members([...expected.keys()]);
      for (const [name, d] of expected) expect(bits(other.gradients.get(name)!), name).to.deep.equal(bits(d));
      expect(bits(other.dinput)).to.deep.equal(bits(one.dinput));
    });
  }

  it('a value that two layers read gets both gradients', () => {
    // y = concat(x·w, x·w) through one convolution read twice: its gradient is twice that of one reading
    const net = (inputs: string[]): Network => ({
      ...network,
      input: [3, 4, 5],
      layers: [
        conv('conv1', 2, 1),
        concat('both', inputs),
        { name: 'flatten', kind: 'flatten', attributes: { order: 'CHW' } },
        { name: 'fc8', kind: 'linear', channels: 3 },
      ],
    });
    const input = hashed('input', [2, 3, 4, 5]);
    const [w, b] = [hashed('w', [2, 3, 1, 1]), hashed('b', [2])];
    const half = dense(hashed('fc', [3, 40]));
    const doubled = new Float64Array(3 * 80);
    for (let o = 0; o < 3; o++) {
      doubled.set(half.subarray(o * 40, o * 40 + 40), o * 80);
      doubled.set(half.subarray(o * 40, o * 40 + 40), o * 80 + 40);
    }
    const common: [string, Tensor][] = [
      ['conv1.weight', w],
      ['conv1.bias', b],
      ['fc8.bias', hashed('c', [3])],
    ];
    const run = (inputs: string[], fc: Float64Array) =>
      backward(
        net(inputs),
        new Map([...common, ['fc8.weight', tensor(fc, [3, fc.length / 3])]]),
        { input, labels: [2, 0], dropout: 'none' },
        float64,
      );
    const twice = run(['conv1', 'conv1'], doubled);
    // the same function: one reading, fully connected weights twice as large
    const once = run(['conv1'], half.map((v) => 2 * v) as Float64Array);
    for (const name of ['conv1.weight', 'conv1.bias']) {
      const [d, e] = [twice, once].map(({ gradients }) => dense(gradients.get(name)!));
      expect(difference(d, e), name).to.be.below(1e-14);
    }
  });

  it('float32 storage stays within float32 of float64', () => {
    const [single, double] = (['float32', 'float64'] as const).map((precision) =>
      backward(network, weights, batch, { precision }),
    );
    for (const [name, d] of single.gradients) {
      expect(d.data).to.be.instanceOf(Float32Array);
      expect(difference(dense(d), dense(double.gradients.get(name)!)), name).to.be.below(1e-4);
    }
  });

  it("without dropout neither mask nor scaling: as a mask of ones in the paper's convention", () => {
    const ones = new Map(
      ['drop6', 'drop7'].map((name) => [name, new Uint8Array(3 * widths[`fc${name[4]}`]).fill(1)]),
    );
    const none = backward(network, weights, { ...batch, dropout: 'none' });
    expect(bits(none.dinput)).to.deep.equal(
      bits(backward(network, weights, { ...batch, dropout: ones }).dinput),
    );
    expect(none.loss).not.to.equal(backward(network, weights, batch).loss);
  });

  it('traces each layer with its output and the gradient of it, and leaves dinput out where asked', () => {
    const traced: string[] = [];
    const { dinput, gradients } = backward(network, weights, batch, {
      dinput: false,
      trace: (layer, y, dy) => {
        traced.push(layer.name);
        expect(dy.shape).to.deep.equal(y.shape);
      },
    });
    expect(dinput).to.equal(null);
    expect(traced.reverse()).to.deep.equal(trunk(network).layers.map(({ name }) => name));
    expect([...gradients.keys()]).to.deep.equal([...weights.keys()]);
  });

  it('max-pooling: flat pictures tie, and the rule decides', () => {
    const flat = { ...batch, input: tensor(new Float32Array(3 * 3 * 67 * 67).fill(40), [3, 3, 67, 67]) };
    const [first, every] = (['first', 'every'] as const).map((ties) =>
      backward(network, weights, flat, { ties }),
    );
    expect(first.loss).to.equal(every.loss);
    expect(bits(first.dinput)).not.to.deep.equal(bits(every.dinput));
  });

  it("Caffe's clip bounds the loss of an improbable class, not its gradient", () => {
    const small = { ...network, input: [1, 1, 2], layers: [flatten('flatten'), linear('fc', 2)] } as const;
    const steep = new Map([
      ['fc.weight', tensor(Float32Array.of(200, 0, 0, 0), [2, 2])],
      ['fc.bias', tensor(new Float32Array(2), [2])],
    ]);
    const one = { input: tensor(Float32Array.of(1, 1), [1, 1, 1, 2]), labels: [1], dropout: 'none' } as const;
    const [plain, clipped] = (['none', 'caffe'] as const).map((clip) =>
      backward(small, steep, one, { clip }),
    );
    // −log 2⁻¹²⁶
    expect([plain.loss, clipped.loss]).to.deep.equal([200, 126 * Math.LN2]);
    expect([...dense(clipped.gradients.get('fc.bias')!)]).to.deep.equal([1, -1]);
    expect(bits(clipped.dinput)).to.deep.equal(bits(plain.dinput));
  });

  it('errors name the layer', () => {
    const run = (change: object, w: Weights = weights, net = network) =>
      backward(net, w, { ...batch, ...change });
    expect(() => run({ dropout: new Map([['drop6', new Uint8Array(30)]]) })).to.throw(
      'drop7: there is no mask for this dropout layer (masks: drop6)',
    );
    expect(() => run({ dropout: new Map([['drop6', new Uint8Array(7)]]) })).to.throw(
      'drop6: dropout: the mask must have 30 values (= 7)',
    );
    expect(() => run({ labels: [0, 1] })).to.throw('loss: there must be 3 labels (= 2)');
    expect(() => run({ input: cast(hashed('x', [3, 3, 66, 67]), 'float32') })).to.throw(
      'the input must be [N,3,67,67]',
    );
    const lone = { ...network, layers: [...network.layers.slice(0, 2), from('conv1', network.layers[2])] };
    const dead = { ...lone, layers: [...lone.layers, ...network.layers.slice(3)] };
    expect(() => run({}, weights, dead)).to.throw('relu1: no layer reads its output, so it has no gradient');
  });
});
