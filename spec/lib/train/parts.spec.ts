import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Dataset, splitOf } from '../../../lib/data/dataset.ts';
import { openDataset } from '../../../lib/data/open.ts';
import { EnvironmentError } from '../../../lib/errors.ts';
import { assembleStep, maskOf, type StepFeed } from '../../../lib/train/feed.ts';
import { fingerprint, orderOf, partsOf } from '../../../lib/train/images.ts';
import { train } from '../../../lib/train/index.ts';
import { begin, networkFor, sized } from '../../../lib/train/network.ts';
import { feedSpecOf } from '../../../lib/train/plan.ts';
import { start } from '../../../lib/train/start.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { parameterCount } from '../../../reference/oracle.ts';
import { initialise } from '../../../reference/training/init.ts';
import { fixture, refusal } from '../../support/data-fixtures.ts';
import { temporary, tinyCifar } from '../../support/training-data.ts';

const dataset = (classes: number, size?: readonly [number, number]): Dataset => ({
  format: 'folders of pictures',
  path: 'data',
  classes: Array.from({ length: classes }, (_, k) => `class ${k}`),
  splits: new Map(),
  close() {},
  ...(size ? { size } : {}),
});

describe('the parts of a run', () => {
  const folder = temporary();

  it('an epoch has every image once, in an order of its own', () => {
    const [a, b, again] = [0, 1, 0].map((epoch) => orderOf(5, 'train.order', epoch, 101));
    expect([...a].sort((x, y) => x - y)).to.deep.equal(Array.from({ length: 101 }, (_, i) => i));
    expect(a).to.deep.equal(again);
    expect(a).not.to.deep.equal(b);
    expect(orderOf(6, 'train.order', 0, 101)).not.to.deep.equal(a);
  });

  it('an order puts each image in each place equally often', () => {
    // 6000 orders of 4: the first place holds each image 1500 ± 4·√(6000·¼·¾) times
    const counts = [0, 0, 0, 0];
    for (let epoch = 0; epoch < 6000; epoch++) counts[orderOf(1, 'test', epoch, 4)[0]]++;
    for (const count of counts) expect(count).to.be.within(1366, 1634);
  });

  it('masks drop the ratio, and those of a step do not depend on where a run began', () => {
    const spec = { layer: 'drop6', size: 40_000, ratio: 0.3 };
    const kept = maskOf(1, spec, 7).reduce((sum, bit) => sum + bit, 0);
    // 0.7·40,000 ± 5·√(40,000·0.3·0.7)
    expect(kept).to.be.within(28_000 - 458, 28_000 + 458);
    expect(maskOf(1, spec, 7)).to.deep.equal(maskOf(1, spec, 7));
    expect(maskOf(1, spec, 8)).not.to.deep.equal(maskOf(1, spec, 7));
    expect(maskOf(1, { ...spec, layer: 'drop7' }, 7)).not.to.deep.equal(maskOf(1, spec, 7));
    expect(maskOf(1, { ...spec, ratio: 0 }, 7).includes(0)).to.equal(false);
  });

  it('a network is sized to pictures, their number and their classes', async () => {
    const small = networkFor(dataset(7, [28, 28]), 60_000);
    expect(small.network.name).to.equal('cifar-alexnet');
    expect(small.network.layers.at(-2)).to.include({ name: 'fc8', channels: 7 });
    const few = networkFor(dataset(2), 60).network;
    const some = networkFor(dataset(2), 6000).network;
    const many = networkFor(dataset(1000), 1_200_000).network;
    expect(parameterCount(many)).to.equal(60_965_224);
    expect([few, some].map(({ layers }) => layers.find(({ name }) => name === 'conv1'))).to.deep.equal([
      { ...many.layers[0], channels: 24 },
      { ...many.layers[0], channels: 48 },
    ]);
    expect(await refusal(async () => networkFor(dataset(1), 10))).to.match(/^data: one class alone/);
    expect(await refusal(async () => networkFor(dataset(2), 10, 'lenet'))).to.match(
      /^unknown network 'lenet'/,
    );
    const narrow = sized(networkNamed('alexnet2012'), 0.01, 3);
    expect(narrow.layers.filter((layer) => 'channels' in layer && layer.channels % 4 > 0)).to.have.length(1);
  });

  it('the last layer begins as narrow as it is asked to, the others as ever', async () => {
    const network = networkNamed('cifar-alexnet');
    const { weights } = (await begin(network, { seed: 1, lastDeviation: 0.02 })).state;
    const data = weights.get('fc8.weight')!.data as Float32Array;
    expect(data).to.be.instanceOf(Float32Array);
    // 1920 draws: ± 4·σ/√(2·1920)
    const deviation = Math.sqrt(data.reduce((sum, w) => sum + w * w, 0) / data.length);
    expect(deviation).to.be.closeTo(0.02, 4 * (0.02 / Math.sqrt(2 * 1920)));
    expect(weights.get('fc7.weight')).to.deep.equal(initialise(network, 1, 'kaiming').get('fc7.weight'));
  });

  it('validation images are val, test, or a tenth that is held out', async () => {
    const cifar = await openDataset(tinyCifar(folder));
    const both = partsOf(cifar, 0);
    expect([both.train.count, both.validation?.count, both.validation?.name]).to.deep.equal([40, 20, 'test']);
    expect(partsOf(cifar, 0, 7, 5).train.count).to.equal(7);
    expect(partsOf(cifar, 0, 7, 5).validation?.count).to.equal(5);
    const all = splitOf('all', new Uint8Array(30), (i) => ({ name: `${i}`, file: `${i}` }));
    const one = { ...dataset(2), splits: new Map([['all', all] as const]) };
    const held = partsOf(one, 3);
    const names = (split: typeof held.train) =>
      Array.from({ length: split.count }, (_, i) => split.picture(i).name);
    expect(held.validation!.count).to.equal(3);
    expect(new Set([...names(held.train), ...names(held.validation!)]).size).to.equal(30);
    expect(held.notes[0]).to.match(/3 of 30 are held out/);
    // of fewer than ten a tenth is none: the number of images that is asked for holds all the same
    const few = splitOf('all', new Uint8Array(9), (i) => ({ name: `${i}`, file: `${i}` }));
    const all9 = partsOf({ ...one, splits: new Map([['all', few] as const]) }, 3, 4);
    expect([all9.train.count, all9.validation]).to.deep.equal([4, null]);
    const test = { ...one, splits: new Map([['test', all] as const]) };
    expect(await refusal(async () => partsOf(test, 0))).to.match(/no training images \(test alone\)/);
    expect(fingerprint(cifar, both)).not.to.equal(fingerprint(cifar, partsOf(cifar, 0, 39)));
    cifar.close();
    expect(await refusal(() => openDataset(fixture('no-such')))).to.match(/no such file/);
  });

  it('the mean colour is in the range and the order of the network, and a border is made of it', async () => {
    const data = await openDataset(tinyCifar(join(folder, 'colours')));
    const records = readFileSync(join(folder, 'colours', 'data_batch_1.bin'));
    const mean = [0, 1, 2].map((c) => {
      const planes = Array.from({ length: 40 }, (_, n) =>
        records.subarray(n * 3073 + 1 + c * 1024, n * 3073 + 1 + (c + 1) * 1024),
      );
      return planes.flatMap((plane) => [...plane]).reduce((a, b) => a + b) / (40 * 1024);
    });
    const base = networkNamed('cifar-relu');
    for (const [channels, range] of [
      ['RGB', 255],
      ['BGR', 255],
      ['BGR', 1],
    ] as const) {
      const preprocess = { ...base.preprocess, channels, range, meanImage: 'required' } as const;
      const options = { data: '', augment: 'none', threads: 1 } as const;
      const setup = await start(data, options, { definition: { ...base, name: 'own', preprocess } });
      expect(setup.progress.colours).to.equal(null);
      const wanted = channels === 'RGB' ? mean : mean.toReversed();
      for (const [c, found] of setup.network.preprocess.mean.entries())
        expect(found).to.be.closeTo(range === 1 ? wanted[c] / 255 : wanted[c], 1e-9 * 255);
      const spec = { ...feedSpecOf(setup), pad: 1, batch: 1, cache: undefined };
      const job = {
        step: 0,
        first: 0,
        lighting: false,
        indices: [0],
        pictures: [setup.parts.train.picture(0)],
      };
      const { images } = (await assembleStep(spec, job)) as StepFeed;
      // planes of 34×34 in the order R, G, B: each begins with the border's corner
      expect([0, 1, 2].map((c) => images[c * 34 * 34])).to.deep.equal(mean.map(Math.round));
    }
    data.close();
  });

  it('of equally good epochs the first is the best', async () => {
    const run = { network: 'cifar-alexnet', width: 0.05, batch: 20, device: 'cpu', threads: 1 } as const;
    const still = { ...run, learningRate: 1e-6, schedule: 'constant', augment: 'none', epochs: 3 } as const;
    const data = tinyCifar(join(folder, 'ties'));
    // milliseconds that the first batch is kept from the device
    const kept = 300;
    process.once('worker', (worker) =>
      worker.on('message', function keep({ result }) {
        if (result === undefined) return;
        worker.off('message', keep);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, kept);
      }),
    );
    const started = performance.now();
    const { best, history, waited } = await train({ ...still, data, out: join(folder, 'ties-out') });
    // a share of the training, which is part of the run
    expect(waited).to.be.within(kept / (performance.now() - started), 1);
    expect(new Set(history.map(({ validation }) => validation!.error1)).size).to.equal(1);
    expect(best).to.deep.equal({ epoch: 1, error1: history[0].validation!.error1 });
  });

  it('a thread that makes batches and ends, ends the run in one line', async () => {
    const data = tinyCifar(join(folder, 'dead'));
    process.once('worker', (worker) => worker.once('message', () => worker.terminate()));
    const run = { network: 'cifar-alexnet', width: 0.05, batch: 20, device: 'cpu', threads: 1 } as const;
    const error = await train({ ...run, data, augment: 'none', out: join(folder, 'dead-out') }).catch(
      (e) => e,
    );
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/^a thread that makes batches ended: [^\n]+$/);
  });
});
