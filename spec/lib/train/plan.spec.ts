/** What a run begins with and what its steps are, worked out by hand on 40 pictures. */
import { expect } from 'chai';
import { type Dataset, type Picture, splitOf } from '../../../lib/data/dataset.ts';
import { assembleStep, cacheFor, type FeedSpec, isCached, type StepFeed } from '../../../lib/train/feed.ts';
import { partsOf } from '../../../lib/train/images.ts';
import { networkFor, sized } from '../../../lib/train/network.ts';
import { checkOptions, type TrainOptions } from '../../../lib/train/options.ts';
import { feedSpecOf, planOf, stepperSpecOf, stepsPerEpoch } from '../../../lib/train/plan.ts';
import { type Setup, start } from '../../../lib/train/start.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { settingsAt } from '../../../reference/training/schedule.ts';
import { refusal } from '../../support/data-fixtures.ts';

const picture = (i: number): Picture => ({
  ...{ name: `p${i}`, planes: new Uint8Array(3 * 32 * 32).fill(i), channels: 3, height: 32, width: 32 },
});
const splitFor = (name: 'train' | 'test' | 'all', count: number) =>
  splitOf(
    name,
    Array.from({ length: count }, (_, i) => i % 3),
    picture,
  );
const data = (counts: Readonly<Partial<Record<'train' | 'test' | 'all', number>>>, side = 32): Dataset => ({
  ...{ format: 'CIFAR-10', path: 'data', classes: ['a', 'b', 'c'], size: [side, side], close() {} },
  splits: new Map(
    Object.entries(counts).map(([name, count]) => [name as 'train', splitFor(name as 'train', count)]),
  ),
});
const forty = data({ train: 40, test: 20 });
const begin = (options: Partial<TrainOptions> = {}, from = forty): Promise<Setup> =>
  start(from, { data: '', width: 0.05, augment: 'none', ...options });
const at = (setup: Setup, progress: Partial<Setup['progress']>): Setup => ({
  ...setup,
  progress: { ...setup.progress, ...progress },
});

describe('what a run begins with', () => {
  it('the defaults: twenty steps an epoch, ε 0.01·√(batch/128), divided by 10 three times (paper, section 5)', async () => {
    const { progress, notes, takeState } = await begin();
    expect(progress).to.deep.include({
      ...{ version: 1, epochs: 90, seed: 0, distortion: null, colours: null, classes: ['a', 'b', 'c'] },
      ...{ epoch: 0, stepInEpoch: 0, steps: 0, epochSeconds: 0, history: [], best: null, logBytes: 0 },
      sums: { loss: 0, wrong1: 0, wrong5: 0 },
      // 0.01·√(2/128) = 0.00125
      schedule: { kind: 'plateau', rate: 0.0013, divisor: 10, patience: 3, drops: 3, warmUp: 1 },
      batch: 2,
    });
    expect(progress.options).to.deep.equal({
      ...{ network: 'auto', width: 0.05, epochs: 90, batch: 2, learningRate: 0.0013, momentum: 0.9 },
      ...{ weightDecay: 0.0005, update: 'paper', schedule: 'plateau', augment: 'none', dropout: true },
      ...{ init: 'kaiming', lastDeviation: 0.01, scale: true, seed: 0 },
    });
    expect(notes).to.deep.equal([
      'network: cifar-alexnet, sized to pictures of 32×32 (--network takes another)',
      'learning rate: 0.0013, for batches of 2 (--learning-rate takes another)',
    ]);
    const state = takeState();
    expect([...state.momenta.keys()]).to.deep.equal([...state.weights.keys()]);
    expect(() => takeState()).to.throw('taken already');
    const whole = await begin({ batch: 128 });
    expect(whole.notes[1]).to.equal('batch: 40, as there are no more images');
    expect(whole.progress.options.learningRate).to.equal(0.0056); // 0.01·√(40/128)
    expect((await begin({ batch: 39, learningRate: 0.1 })).notes).to.have.length(1);
    expect((await begin({ batch: 39 })).progress.batch).to.equal(39);
    const many = data({ train: 2560, test: 1 });
    expect((await begin({}, many)).progress.batch).to.equal(128);
    expect((await begin({}, many)).progress.options.learningRate).to.equal(0.01);
  });

  it("--recipe paper: all of sections 4 and 5, but for what is said beside; no other net's pixels are scaled", async () => {
    const { network, progress } = await begin({ recipe: 'paper', epochs: 3, augment: 'none' });
    expect(network.name).to.equal('alexnet2012');
    expect(network.preprocess.deviation).to.deep.equal([1, 1, 1]);
    expect(progress).to.deep.include({
      batch: 40,
      epochs: 3,
      schedule: { kind: 'plateau', rate: 0.01, divisor: 10, patience: 3, drops: 3 },
    });
    const { batch, learningRate, momentum, weightDecay, init, lastDeviation } = progress.options;
    expect([batch, learningRate, momentum, weightDecay]).to.deep.equal([128, 0.01, 0.9, 0.0005]);
    expect([init, lastDeviation]).to.deep.equal(['paper', undefined]);
  });

  it('another image, label or class is another fingerprint', async () => {
    const { progress } = await begin();
    expect(progress.data).to.match(/^40 [0-9a-f]{32}$/);
    expect((await begin({ images: 39 })).progress.data).to.match(/^39 /);
    expect((await begin({}, { ...forty, classes: ['a', 'b', 'd'] })).progress.data).not.to.equal(
      progress.data,
    );
  });

  it('a tenth is held out, whole pictures alone', () => {
    const count = (all: number) => partsOf(data({ all }), 1).validation?.count ?? 0;
    expect([9, 10, 19, 20, 101].map(count)).to.deep.equal([0, 1, 1, 2, 10]);
    expect(partsOf(data({ all: 9 }), 1).notes).to.deep.equal(['no validation images']);
    expect(partsOf(data({ all: 9 }), 1, 5).train.count).to.equal(5);
    const { train, validation, notes } = partsOf(data({ all: 50 }), 1, 7, 2);
    expect([train.count, validation!.count]).to.deep.equal([7, 2]);
    expect(notes).to.deep.equal(['data has no validation images: 5 of 50 are held out']);
    expect(partsOf(forty, 1).notes).to.deep.equal([]);
  });

  it('the network by the size of the pictures and their number', () => {
    const conv1 = (pictures: number, side: number) => {
      const { network, note } = networkFor(data({ train: 1 }, side), pictures);
      return [network.layers[0], note] as [{ channels: number }, string];
    };
    // 96 kernels: all, half, a quarter of them
    const widths = [4999, 5000, 49_999, 50_000].map((pictures) => conv1(pictures, 65)[0].channels);
    expect(widths).to.deep.equal([24, 48, 48, 96]);
    expect(conv1(10, 64)[1]).to.match(/^network: cifar-alexnet, sized to pictures of 64×64 /);
    expect(conv1(4999, 65)[1]).to.equal(
      'network: alexnet2012 at 0.25 of its widths, sized to 4999 pictures (--network takes another)',
    );
    expect(conv1(50_000, 65)[1]).to.match(/^network: alexnet2012, sized to 50000 pictures/);
    const channels = (factor: number) =>
      sized(networkNamed('cifar-alexnet'), factor, 7).layers.flatMap((l) =>
        'channels' in l ? l.channels : [],
      );
    // 32, 96, 96, 192, 192, 160 and 192, the last by the classes; multiples of 4, at least 4
    expect(channels(0.05)).to.deep.equal([4, 4, 4, 8, 8, 8, 8, 7]);
    expect(channels(0.3)).to.deep.equal([8, 28, 28, 56, 56, 48, 56, 7]);
    expect(channels(1)).to.deep.equal([32, 96, 96, 192, 192, 160, 192, 7]);
  });

  it('layers that stay: some, that there are', async () => {
    const all = 'conv1,conv2,conv3,conv4,conv5,conv6,fc7,fc8'.split(',');
    expect(await refusal(() => begin({ freeze: ['relu1'] }))).to.equal(
      `--freeze: no layer 'relu1' (there are: ${all.join(', ')})`,
    );
    expect(await refusal(() => begin({ freeze: all }))).to.match(
      /all layers are frozen, so nothing would learn/,
    );
    expect((await begin({ freeze: all.slice(1) })).network.name).to.equal('cifar-alexnet');
  });

  it('numbers at both sides of their limits', async () => {
    const fine: object[] = [
      { width: 4 },
      { momentum: 0 },
      { momentum: 0.999 },
      { weightDecay: 0 },
      { threads: 256 },
      { threads: 1 },
      ...[0, 64].map((pad) => ({
        augment: { offsets: 'all', mirror: true, chunk: 32, lighting: 'none', pad },
      })),
      { schedule: { kind: 'plateau', rate: 1, divisor: 10, patience: 1, drops: 0 } },
      { schedule: { kind: 'step', rate: 1, divisor: 10, every: 1, total: 1, unit: 'epoch' } },
    ];
    for (const options of fine) checkOptions(options);
    const wrong: object[] = [
      { width: 4.01 },
      { width: 0 },
      { momentum: -0.1 },
      { weightDecay: -1e-9 },
      { learningRate: 0 },
      { lastDeviation: 0 },
      { threads: 257 },
      { threads: 0 },
      { images: 0 },
      { validateEvery: 0 },
      { checkpointEvery: 0 },
      { seed: -1 },
      ...[-1, 65, 1.5].map((pad) => ({
        augment: { offsets: 'all', mirror: true, chunk: 1, lighting: 'none', pad },
      })),
      { augment: { offsets: 'all', mirror: true, chunk: 2, lighting: 'none', pad: 0 } },
      { schedule: { kind: 'plateau', rate: 1, divisor: 10, patience: 0, drops: 0 } },
      { schedule: { kind: 'step', rate: 1, divisor: 10, every: 0, total: 1, unit: 'epoch' } },
      { schedule: { kind: 'step', rate: 1, divisor: 10, every: 1, total: 0, unit: 'epoch' } },
    ];
    for (const options of wrong)
      expect(await refusal(async () => checkOptions(options)), JSON.stringify(options)).to.match(/^train: /);
  });
});

describe('the steps of a run', () => {
  it('every image once an epoch but for those that fill no batch, in an order of each epoch', async () => {
    const setup = await begin({ batch: 12, epochs: 2 });
    expect(stepsPerEpoch(setup)).to.equal(3);
    const jobs = [...planOf(setup, undefined).jobs];
    expect(jobs.map(({ step, first }) => [step, first])).to.deep.equal(
      [0, 1, 2, 3, 4, 5].map((step) => [step, 12 * step]),
    );
    const epochs = [jobs.slice(0, 3), jobs.slice(3)].map((own) => own.flatMap(({ indices }) => indices));
    for (const indices of epochs) expect(new Set(indices).size).to.equal(36);
    expect(epochs[0]).not.to.deep.equal(epochs[1]);
    expect(jobs[4].pictures.map((one) => one!.name)).to.deep.equal(jobs[4].indices.map((i) => `p${i}`));
    expect(jobs.every(({ lighting }) => lighting)).to.equal(true);
    // from the middle of the first epoch, and of the second
    const rest = (epoch: number, stepInEpoch: number) => [
      ...planOf(at(setup, { epoch, stepInEpoch }), undefined).jobs,
    ];
    expect(rest(0, 2)).to.deep.equal(jobs.slice(2));
    expect(rest(1, 1)).to.deep.equal(jobs.slice(4));
  });

  it('the place of a picture that cannot be read is taken by the next of the order that can be, noticed when it may', async () => {
    const setup = await begin({ batch: 12, epochs: 1 });
    const [first, second, third] = [...planOf(setup, undefined).jobs];
    const order = [first, second, third].flatMap(({ indices }) => indices);
    const plan = planOf(setup, undefined);
    const images = new Uint8Array(0);
    const seen = plan.instead(first, { images, places: [3, 11], errors: ['p: a', 'p: b'] });
    const wanted = first.indices.with(3, order[4]).with(11, order[12]);
    expect(seen.indices).to.deep.equal(wanted);
    expect(seen.begun).to.deep.equal({ images, places: [3, 11] });
    expect(seen.pictures[3]!.name).to.equal(`p${order[4]}`);
    // the one that took a place cannot be read either, and neither can one that was made ready long before
    setup.unread.add({ part: 'training', index: order[0], error: 'p: d' });
    const again = plan.instead(seen, { images, places: [3], errors: ['p: c'] });
    expect(again.indices).to.deep.equal(wanted.with(0, order[1]).with(3, order[5]).with(4, order[5]));
    expect(again.begun!.places).to.deep.equal([0, 3, 4]);
    expect([...plan.jobs].map(({ indices }) => indices)).to.deep.equal(
      [again, second, third].map((j) => j.indices),
    );
    // the last of the order leads to its first that can be read
    const last = await begin({ batch: 40, epochs: 1 });
    const [all] = planOf(last, undefined).jobs;
    for (const place of [0, 39]) last.unread.add({ part: 'training', index: all.indices[place], error: 'p' });
    const [{ indices }] = planOf(last, undefined).jobs;
    expect([indices[0], indices[39]]).to.deep.equal([all.indices[1], all.indices[1]]);
  });

  it('a picture that is in the cache is not sent again', async () => {
    const setup = await begin({ batch: 12, epochs: 1 });
    const cache = cacheFor(40, 32)!;
    const [{ indices }] = planOf(setup, cache).jobs;
    new Uint8Array(cache.ready)[indices[1]] = 1;
    expect(isCached(cache, indices[1])).to.equal(true);
    expect(isCached(undefined, indices[1])).to.equal(false);
    const [{ pictures }] = planOf(setup, cache).jobs;
    expect(pictures.map((one) => one === null).slice(0, 3)).to.deep.equal([false, true, false]);
  });

  it('a cache up to its limit: 3 bytes a pixel', () => {
    expect(cacheFor(40, 32, 40 * 3072)!.pixels.byteLength).to.equal(122_880);
    expect(cacheFor(40, 32, 40 * 3072)!.ready.byteLength).to.equal(40);
    expect(cacheFor(40, 32, 40 * 3072 - 1)).to.equal(undefined);
    // 2 GiB and more are not held: 2³⁰ is the limit
    expect(cacheFor(349_526, 32)).to.equal(undefined);
  });

  it('masks for each dropout layer, of a batch; none without dropout', async () => {
    // 8 channels of 3×3 before the first, 8 values before the second
    const masks = (setup: Setup) => feedSpecOf(setup).masks;
    expect(masks(await begin({ batch: 12 }))).to.deep.equal([
      { layer: 'drop7', size: 12 * 8 * 9, ratio: 0.5 },
      { layer: 'drop8', size: 12 * 8, ratio: 0.5 },
    ]);
    const without = await begin({ batch: 12, dropout: false });
    expect(masks(without)).to.deep.equal([]);
    const settings = settingsAt(without.progress.schedule, without.progress.scheduleState, 0, 3);
    expect(stepperSpecOf(without, feedSpecOf(without), settings).dropout).to.equal(false);
  });

  it('the graph has the rule, the decay, and 0 where a layer stays', async () => {
    const spec = async (options: Partial<TrainOptions>, schedule?: Setup['progress']['schedule']) => {
      const setup = await begin({ batch: 12, ...options });
      const settings = settingsAt(schedule ?? setup.progress.schedule, setup.progress.scheduleState, 0, 3);
      return stepperSpecOf(setup, feedSpecOf(setup), settings);
    };
    const plain = await spec({});
    expect(plain).to.deep.include({
      batch: 12,
      rule: 'paper',
      momentum: 0.9,
      weightDecay: 0.0005,
      dropout: true,
    });
    expect(plain.augment.side).to.equal(32);
    const border = { offsets: 'all', mirror: false, chunk: 1, lighting: 'none', pad: 2 } as const;
    expect((await spec({ augment: border })).augment.side).to.equal(36);
    for (const factor of plain.factors.values()) expect(factor).to.deep.equal({ rate: 1, decay: 1 });
    const caffe = await spec({ update: 'caffe', momentum: 0.5, weightDecay: 0.25 });
    expect(caffe).to.deep.include({ rule: 'caffe', momentum: 0.5, weightDecay: 0.25 });
    // Caffe's train_val.prototxt: lr_mult 1 and 2, decay_mult 1 and 0
    expect(caffe.factors.get('fc7.weight')).to.deep.equal({ rate: 1, decay: 1 });
    expect(caffe.factors.get('fc7.bias')).to.deep.equal({ rate: 2, decay: 0 });
    const frozen = await spec(
      { update: 'as-run', freeze: ['conv1', 'fc7'] },
      { kind: 'logged', run: '2012' },
    );
    expect(frozen.rule).to.equal('paper');
    for (const [name, { rate }] of frozen.factors) {
      const still = /^(conv1|fc7)\./.test(name);
      // configuration 145: 0.02 for all biases beside 0.01
      expect(rate, name).to.equal(still ? 0 : name.endsWith('.bias') ? 2 : 1);
    }
    const decaying = await spec({ update: 'caffe', biasDecay: true });
    expect(decaying.factors.get('fc7.bias')).to.deep.equal({ rate: 2, decay: 1 });
    expect((await spec({ biasDecay: false })).factors.get('fc7.weight')).to.deep.equal({ rate: 1, decay: 1 });
    expect((await spec({ biasDecay: false })).factors.get('fc7.bias')).to.deep.equal({ rate: 1, decay: 0 });
  });

  it('a border of the mean colour, the square in its middle; in the cache without it', async () => {
    const { preprocess } = networkNamed('cifar-alexnet');
    const cache = cacheFor(2, 32)!;
    const how = { crop: 28, offsets: 'all', mirror: false, chunk: 1, lighting: 'none' } as const;
    const spec: FeedSpec = {
      ...{ preprocess, side: 32, pad: 1, seed: 1, batch: 2, how, augmented: false, masks: [], cache },
    };
    const job = { step: 3, first: 6, lighting: false, indices: [1, 0], pictures: [picture(7), picture(9)] };
    const { images, offsets, mirrored, light } = (await assembleStep(spec, job)) as StepFeed;
    expect(images).to.have.length(2 * 3 * 34 * 34);
    // the mean colour is 125.3, 123, 113.9
    expect([0, 1, 2].map((c) => images[c * 1156])).to.deep.equal([125, 123, 114]);
    expect([...images.subarray(33, 37)]).to.deep.equal([125, 125, 7, 7]);
    expect([...images.subarray(66, 70)]).to.deep.equal([7, 125, 125, 7]);
    expect(images[3 * 1156 + 35]).to.equal(9);
    // the middle of 34 for 28
    expect([...offsets]).to.deep.equal([3, 3, 3, 3]);
    expect([mirrored.length, light.length]).to.deep.equal([2, 6]);
    expect([...new Uint8Array(cache.pixels, 3072, 2)]).to.deep.equal([7, 7]);
    const again = await assembleStep(spec, { ...job, pictures: [null, null] });
    expect((again as StepFeed).images).to.deep.equal(images);
    const none = { ...spec, cache: undefined };
    const error = await assembleStep(none, { ...job, pictures: [null, null] }).catch((e) => e);
    expect(error.message).to.equal('batch: picture 1 is neither given nor cached');
    const small = { ...picture(1), planes: new Uint8Array(3 * 900), height: 30, width: 30 };
    const free = { ...preprocess, resize: { mode: 'none', size: 30 } } as const;
    expect(
      await assembleStep({ ...none, preprocess: free }, { ...job, pictures: [small, small] }),
    ).to.deep.include({
      places: [0, 1],
      errors: Array(2).fill('p1: becomes [3,30,30], [3,32,32] was expected'),
    });
  });
});
