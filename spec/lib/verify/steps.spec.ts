/** verify --graph training of a small network in this process: rows, values, options. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { buildGradients, buildStep, joined } from '../../../export/index.ts';
import { type VerifyOptions, type VerifyResult, verify } from '../../../lib/verify/index.ts';
import { dense, type Tensor } from '../../../reference/tensor.ts';
import { refusal } from '../../support/onnx.ts';
import { chain, changed, dumps, names, network, weights, x } from '../../support/small-network.ts';

const { folder, npz } = dumps();
const about: VerifyOptions = { network, seed: 3, input: x };

describe('the graphs that train', () => {
  const masks = new Map([['drop2', Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 1, 1, 1)]]);
  const parameters = ['conv1', 'fc2', 'fc3'].flatMap((name) => [`${name}.weight`, `${name}.bias`]);
  let found: VerifyResult;
  before(async () => {
    found = await verify({
      ...about,
      device: 'cpu',
      graph: 'training',
      steps: 2,
      dropout: masks,
      labels: [2, 0],
    });
  });

  it('every value, gradient, velocity and parameter of each step', () => {
    expect(found.verdict).to.equal('pass');
    const rows = found.layers.map(({ layer }) => layer);
    expect(rows.slice(0, 10)).to.deep.equal([...names, 'loss']);
    // each is held against the oracle's own too, and its gradient
    const own = found.layers.filter(({ accumulated }) => accumulated !== null).map(({ layer }) => layer);
    expect(own).to.include.members([...names, ...names.map((name) => `d${name}`), 'dinput', 'loss']);
    expect(rows).to.include.members(['dinput', ...names.map((name) => `d${name}`)]);
    expect(rows).to.include.members(parameters.map((name) => `d${name}`));
    for (const step of ['step1', 'step2'])
      expect(rows).to.include.members(
        parameters.flatMap((name) => [`${step}/${name}`, `${step}/${name}.velocity`]),
      );
    expect(rows.indexOf('dfc3')).to.be.below(rows.indexOf('dconv1'));
    expect(found.runs.map(({ model, graph, level }) => [model, graph, level])).to.deep.equal(
      ['gradients', 'training'].flatMap((model) => [
        [model, 'tapped', 'disabled'],
        [model, 'tapped', 'all'],
        [model, 'untouched', 'all'],
      ]),
    );
    expect(found.placement).to.match(/^\d+ of \d+ on CPU; the step: \d+ of \d+ on CPU$/);
    expect(found.training).to.deep.equal({
      ...{ graph: 'training', labels: [2, 0], dropout: 'given in memory', steps: 2, rule: 'paper' },
      ...{ learningRate: 0.01, momentum: 0.9, weightDecay: 0.0005 },
    });
  });

  it('the first step by hand: v = −ε(λw + dw), w′ = w + v', () => {
    for (const side of ['device', 'oracle'] as const) {
      const values = found.values[side];
      for (const name of parameters) {
        const [w, dw] = [dense(weights.get(name)!), dense(values.get(`d${name}`)!)];
        const v = dense(values.get(`step1/${name}.velocity`)!);
        const next = dense(values.get(`step1/${name}`)!);
        for (const i of w.keys()) {
          expect(v[i], name).to.be.closeTo(-0.01 * (0.0005 * w[i] + dw[i]), 1e-7);
          expect(next[i], name).to.be.closeTo(w[i] + v[i], 1e-6);
        }
      }
    }
    expect([...found.values.device.keys()].filter((name) => !name.startsWith('step'))).to.have.members([
      'loss',
      'dinput',
      ...parameters.map((name) => `d${name}`),
    ]);
  });

  it('the loss is the mean of −log p, with the masks that were given', () => {
    const kept = dense(chain.get('relu2')!).map((v, i) => v * masks.get('drop2')![i]);
    const losses = [2, 0].map((label, n) => {
      const logits = [0, 1, 2].map((k) =>
        [0, 1, 2, 3, 4].reduce(
          (sum, i) => sum + weights.get('fc3.weight')!.get(k, i) * kept[5 * n + i],
          weights.get('fc3.bias')!.get(k),
        ),
      );
      return Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[label];
    });
    for (const values of [found.values.device, found.values.oracle])
      expect(dense(values.get('loss')!)[0]).to.be.closeTo((losses[0] + losses[1]) / 2, 1e-5);
  });

  it('saved values pass as values of another engine; a gradient that is 1 % off fails', async () => {
    const saved = new Map([...found.values.oracle].filter(([name]) => !name.startsWith('step2')));
    const by = (values: ReadonlyMap<string, Tensor>, more: VerifyOptions = {}) =>
      verify({ ...about, values: npz(values), graph: 'training', dropout: masks, labels: [2, 0], ...more });
    const right = await by(saved);
    expect(right.verdict).to.equal('pass');
    expect(right.layers.map(({ layer }) => layer)).to.include.members(['loss', 'dfc3.weight', 'dinput']);
    const wrong = new Map(saved).set(
      'dfc2.weight',
      changed(saved.get('dfc2.weight')!, 0, (v) => v * 1.01 + 0.1),
    );
    const fails = await by(wrong);
    expect([fails.verdict, fails.first]).to.deep.equal(['fail', 'dfc2.weight']);
    expect(await refusal(() => by(saved, { steps: 2 }))).to.match(/^--steps: values .* are of one step$/);
  });

  it('a file of the other graph is refused, whichever is asked for', async () => {
    const files = {
      gradients: buildGradients(network, { batch: 2, dropout: true }),
      training: buildStep(network, { batch: 2, dropout: true }),
    };
    for (const [graph, other] of [
      ['gradients', 'training'],
      ['training', 'gradients'],
    ] as const) {
      const model = join(folder, `${other}.onnx`);
      writeFileSync(model, joined(files[other].chunks()));
      expect(await refusal(() => verify({ ...about, model, device: 'cpu', graph }))).to.match(
        new RegExp(`the model is no ${graph} graph: try --graph ${other}$`),
      );
    }
  });

  it('options that cannot be are refused', async () => {
    const refused = (more: VerifyOptions) =>
      refusal(() => verify({ ...about, device: 'cpu', graph: 'training', ...more }));
    expect(await refused({ learningRate: 0 })).to.equal('--learning-rate must be above 0 (= 0)');
    expect(await refused({ learningRate: Infinity })).to.match(/learningRate must be a number/);
    expect(await refused({ momentum: 1 })).to.equal('--momentum must be at least 0 and below 1 (= 1)');
    expect(await refused({ momentum: -0.1 })).to.match(/^--momentum/);
    expect(await refused({ weightDecay: -1 })).to.equal('--weight-decay must be at least 0 (= -1)');
    expect(await refused({ batch: 1 })).to.equal(
      '--batch 1, but 2 images are given: a batch cannot be split, leave it out',
    );
    expect(await refused({ lrn: 'band' })).to.equal('--graph training and --lrn do not go together');
    expect(await refused({ graph: 'gradients', momentum: 0.5 })).to.equal(
      '--momentum needs --graph training',
    );
    expect(await refused({ labels: [1] })).to.match(/1 labels for 2 images/);
  });
});
