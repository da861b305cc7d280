import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { evaluate } from '../../lib/evaluate/index.ts';
import { operations } from '../../lib/fast/index.ts';
import { readCheckpoint } from '../../lib/train/checkpoint.ts';
import { maskOf } from '../../lib/train/feed.ts';
import { orderOf } from '../../lib/train/images.ts';
import { train } from '../../lib/train/index.ts';
import { augment, draw } from '../../reference/input/augment.ts';
import { addPlanar, colours, moments, principal } from '../../reference/input/pca.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { shapes } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { step } from '../../reference/training/gradient.ts';
import { initialise } from '../../reference/training/init.ts';
import { zeroMomenta } from '../../reference/training/optimiser.ts';
import { difference } from '../support/training.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

const [BATCH, IMAGES, SIDE] = [8, 40, 32];

/** cifar-alexnet at a twentieth of its widths: 4 to 12 channels. */
function narrow(): Network {
  const network = networkNamed('cifar-alexnet');
  const layers = network.layers.map((layer) =>
    layer.kind !== 'conv2d' && layer.kind !== 'linear'
      ? layer
      : { ...layer, channels: layer.name === 'fc8' ? 10 : Math.max(4, 4 * Math.round(layer.channels / 80)) },
  );
  return { ...network, layers };
}

/** Each picture in a border of the mean colour, two pixels wide. */
function bordered(records: Buffer, indices: readonly number[]): Uint8Array {
  const wide = SIDE + 4;
  const mean = networkNamed('cifar-alexnet').preprocess.mean.map(Math.round);
  return new Uint8Array(indices.length * 3 * wide * wide).map((_, i) => {
    const [x, y] = [(i % wide) - 2, (Math.floor(i / wide) % wide) - 2];
    const c = Math.floor(i / wide / wide) % 3;
    if (x < 0 || y < 0 || x >= SIDE || y >= SIDE) return mean[c];
    const n = indices[Math.floor(i / wide / wide / 3)];
    return records[n * 3073 + 1 + (c * SIDE + y) * SIDE + x];
  });
}

/** What the oracle makes of the same run: five steps an epoch, straight from its own parts. */
function byOracle(records: Buffer, seed: number, steps: number, rates: readonly number[]) {
  const network = narrow();
  const sums = moments();
  for (let i = 0; i < IMAGES; i++) addPlanar(sums, records.subarray(i * 3073 + 1), SIDE * SIDE);
  const light = principal(colours(sums).covariance);
  const how = { crop: 28, offsets: 'all', mirror: true, chunk: 1, lighting: 'root' } as const;
  let weights: ReadonlyMap<string, Tensor> = initialise(network, seed, 'kaiming');
  let momenta: ReadonlyMap<string, Tensor> = zeroMomenta(weights);
  const losses: number[] = [];
  for (let t = 0; t < steps; t++) {
    const [epoch, position] = [Math.floor((t * BATCH) / IMAGES), (t * BATCH) % IMAGES];
    const indices = [...orderOf(seed, 'train.order', epoch, IMAGES).subarray(position, position + BATCH)];
    const draws = draw(seed, t * BATCH, BATCH, SIDE + 4, how, light);
    const input = augment(bordered(records, indices), SIDE + 4, draws, how, network.preprocess);
    const known = shapes(network, BATCH);
    const masks = ['drop7', 'drop8'].map((layer) => {
      const size = known.get(layer)!.reduce((a, b) => a * b);
      return [layer, maskOf(seed, { layer, size, ratio: 0.5 }, t)] as const;
    });
    const batch = { input, labels: indices.map((i) => records[i * 3073]), dropout: new Map(masks) };
    const hyper = { rule: 'caffe', learningRate: rates[t], momentum: 0.8, weightDecay: 0.01 } as const;
    // the border is flat, so that positive values tie: the graph's rule
    const next = step(network, weights, momenta, batch, hyper, { ties: 'every', operations });
    ({ weights, momenta } = next);
    losses.push(next.loss);
  }
  return { weights, momenta, losses };
}

describe('a training run', function () {
  this.timeout(120_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), IMAGES, 20);

  it('is the oracle’s, step for step: order, crops, mirrors, light, masks, rates and update', async () => {
    // the last layer begins as initialise() has it, like the others
    const fanIn = initialise(narrow(), 3, 'kaiming').get('fc8.weight')!.shape[1];
    const result = await train({
      data,
      network: 'cifar-alexnet',
      width: 0.05,
      epochs: 2,
      batch: BATCH,
      seed: 3,
      learningRate: 0.02,
      lastDeviation: Math.sqrt(2 / fanIn),
      momentum: 0.8,
      weightDecay: 0.01,
      update: 'caffe',
      schedule: { kind: 'step', rate: 0.02, divisor: 10, every: 1, total: 2, unit: 'epoch' },
      augment: 'cifar',
      device: 'cpu',
      threads: 2,
      out: join(folder, 'oracle'),
    });
    expect(result.steps).to.equal(10);
    const records = readFileSync(join(data, 'data_batch_1.bin'));
    const rates = Array.from({ length: 10 }, (_, t) => (t < 5 ? 0.02 : 0.002));
    const oracle = byOracle(records, 3, 10, rates);
    const { state } = readCheckpoint(result.files.checkpoint);
    // ten steps, each at most √1000·u off (sums of up to a thousand products), and what earlier ones grew
    // into: a hundredfold
    const tolerance = 100 * Math.sqrt(1000) * 2 ** -24;
    expect(state.weights.size).to.equal(16);
    for (const [name, weight] of oracle.weights) {
      expect(difference(state.weights.get(name)!.data, weight.data), name).to.be.below(tolerance);
      expect(difference(state.momenta.get(name)!.data, oracle.momenta.get(name)!.data), name).to.be.below(
        10 * tolerance,
      );
    }
    const log = readFileSync(join(folder, 'oracle', 'log.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const losses = log.filter(({ step: number }) => number !== undefined).map(({ loss }) => loss);
    expect(difference(losses, oracle.losses)).to.be.below(tolerance);
    expect(result.history.map(({ loss }) => loss)[1]).to.be.closeTo(
      oracle.losses.slice(5).reduce((a, b) => a + b) / 5,
      1e-5,
    );
  });

  it('validates as `alexnet evaluate` does, and its best weights are for every command', async () => {
    const out = join(folder, 'oracle');
    const { progress } = readCheckpoint(join(out, 'checkpoint.safetensors'));
    const weights = join(out, 'weights.safetensors');
    const found = await evaluate({ data, weights, device: 'cpu', threads: 1 });
    const last = progress.history[1].validation!;
    expect(1 - found.top1.share!).to.be.closeTo(last.error1, 1e-12);
    expect(1 - found.topK.share!).to.be.closeTo(last.error5, 1e-12);
    expect(found.loss).to.be.closeTo(last.loss, 1e-6);
    const best = await evaluate({ data, weights: join(out, 'best.safetensors'), device: 'cpu', threads: 1 });
    expect(1 - best.top1.share!).to.be.closeTo(progress.best!.error1, 1e-12);
  });
});
