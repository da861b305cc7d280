import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { alexnet } from '../../lib/cli/program.ts';
import { lockFolder } from '../../lib/disk/lock.ts';
import { EnvironmentError } from '../../lib/errors.ts';
import { readCheckpoint, saveWeights } from '../../lib/train/checkpoint.ts';
import { Diverged, type TrainOptions, train } from '../../lib/train/index.ts';
import { sized } from '../../lib/train/network.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { initialise } from '../../reference/training/init.ts';
import { refusal } from '../support/data-fixtures.ts';
import { skipBecause } from '../support/skip.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

describe('what ends a training run, or begins it otherwise', function () {
  this.timeout(120_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), 40, 10);
  const tiny: TrainOptions = {
    data,
    network: 'cifar-alexnet',
    width: 0.05,
    epochs: 2,
    batch: 8,
    device: 'cpu',
    threads: 1,
  };
  const picture = new URL('../../fixtures/image/5x3-interlaced.png', import.meta.url);

  it('a loss that is NaN or infinite: one line, and the last good checkpoint stays', async () => {
    const out = join(folder, 'nan');
    const wild = {
      ...tiny,
      out,
      learningRate: 1e20,
      checkpointEvery: 1,
      augment: 'none',
      schedule: 'constant',
    } as const;
    const error = await train(wild).then(
      () => null,
      (reason) => reason,
    );
    expect(error).to.be.instanceOf(Diverged);
    expect(error.message).to.match(
      /^(the loss is (NaN|-?Infinity) at step \d+ \(epoch 1\)|\S+ is not a number .*|a weight of \S+ has grown to .*): try .* holds the state after step \d$/,
    );
    const { state, progress } = readCheckpoint(join(out, 'checkpoint.safetensors'));
    expect(progress.steps).to.equal(Number(/step (\d)$/.exec(error.message)![1]));
    for (const { data: values } of state.weights.values())
      expect((values as Float32Array).every(Number.isFinite)).to.equal(true);
  });

  it('a loss far above that of guessing, and weights that no longer change: one line, the checkpoint before stays', async () => {
    const still = { ...tiny, schedule: 'constant', augment: 'none' } as const;
    // ln 10 = 2.30; at first scores of some hundred, which so small a rate leaves
    const far = { ...still, learningRate: 1e-7, lastDeviation: 100, out: join(folder, 'far') };
    const high = await train(far).catch((e) => e);
    expect(high).to.be.instanceOf(Diverged);
    expect(high.message).to.match(
      /^the loss is [\d.e+]+ over 5 steps of epoch 2, that of guessing 2.30: try a lower learning rate; .* after step 5$/,
    );
    const none = await train({ ...still, learningRate: 1e-30, out: join(folder, 'still') }).catch((e) => e);
    expect(none).to.be.instanceOf(Diverged);
    expect(none.message).to.match(
      /^no weight changed in epoch 1: try a higher learning rate; .* after step 0$/,
    );
    // what was there stays, and the run goes on from there
    expect(readCheckpoint(join(folder, 'far/checkpoint.safetensors')).progress.epoch).to.equal(1);
    expect(existsSync(join(folder, 'far/best.safetensors'))).to.equal(true);
    expect(existsSync(join(folder, 'still/best.safetensors'))).to.equal(false);
  });

  it('a full disk: one line, and the checkpoint before stays', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    const out = join(folder, 'full');
    const csv = join(out, 'log.csv');
    const fill = () => {
      rmSync(csv);
      symlinkSync('/dev/full', csv);
    };
    const error = await train({ ...tiny, out, epoch: ({ epoch }) => epoch === 1 && fill() }).catch((e) => e);
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/log\.csv: cannot be written: the disk is full/);
    const { epoch } = readCheckpoint(join(out, 'checkpoint.safetensors')).progress;
    expect(epoch).to.equal(2);
    rmSync(csv);
    const resumed = await train({ ...tiny, out, resume: true });
    expect(resumed.history.map((record) => record.epoch)).to.deep.equal([1, 2]);
  });

  it("files that no run wrote are kept, a killed run's folder is taken up, two runs do not share one", async () => {
    const out = join(folder, 'mine');
    mkdirSync(out);
    writeFileSync(join(out, 'log.csv'), 'my own');
    const again = (more: object = {}) => train({ ...tiny, epochs: 1, out, ...more });
    expect(await refusal(again)).to.match(/mine.log\.csv: exists, and nothing in it shows .* as --out: /);
    expect(readdirSync(out)).to.deep.equal(['log.csv']);
    const lock = lockFolder(out);
    expect(await refusal(() => again({ force: true }))).to.match(
      /mine: this process \(\d+\) writes there since/,
    );
    lock.release();
    const forced = await again({ force: true });
    expect(forced.history).to.have.length(1);
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).to.deep.equal([]);
    const busy = lockFolder(out);
    expect(await refusal(() => again({ resume: true }))).to.match(/writes there since/);
    busy.release();
    const weights = join(folder, 'begin', 'best.safetensors');
    mkdirSync(join(folder, 'begin'));
    copyFileSync(join(out, 'best.safetensors'), weights);
    const over = refusal(() =>
      again({ out: join(folder, 'begin'), weights, network: undefined, width: undefined }),
    );
    expect(await over).to.match(/best\.safetensors: --out would overwrite an input/);
  });

  it('a class without images is named', async () => {
    const pictures = join(folder, 'pictures');
    for (const [name, files] of [
      ['cat', 3],
      ['dog', 3],
    ] as const) {
      mkdirSync(join(pictures, name), { recursive: true });
      for (let i = 0; i < files; i++) copyFileSync(picture, join(pictures, name, `${i}.png`));
    }
    const options = { ...tiny, data: pictures, batch: 2, augment: 'none' as const };
    const good = await train({ ...options, epochs: 1, out: join(folder, 'pictures-good') });
    expect(good.classes).to.deep.equal(['cat', 'dog']);
    mkdirSync(join(pictures, 'empty'));
    expect(await refusal(() => train({ ...options, out: join(folder, 'none') }))).to.include(
      join(pictures, 'empty'),
    );
  });

  it('options and data of another run are refused when it is resumed, and a folder in use without --resume', async () => {
    const out = join(folder, 'resume');
    await train({ ...tiny, epochs: 1, out });
    expect(await refusal(() => train({ ...tiny, epochs: 1, out }))).to.match(
      /is there: --resume goes on with it/,
    );
    const again = (change: Partial<TrainOptions>) =>
      refusal(() => train({ data, out, resume: true, ...change }));
    expect(await again({ batch: 4 })).to.match(/was made with batch 8, not 4: leave it out$/);
    expect(await again({ freeze: ['conv1'] })).to.match(/was made with freeze not given, not \["conv1"\]/);
    const other = tinyCifar(join(folder, 'other'), 39, 10);
    expect(await again({ data: other })).to.match(/not the images with which .* was made$/);
    const more = await train({ data, out, resume: true, epochs: 2, device: 'cpu' });
    expect(more.history).to.have.length(2);
    const file = join(out, 'checkpoint.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, 5000));
    expect(await again({})).to.match(/checkpoint\.safetensors: truncated/);
    copyFileSync(join(out, 'best.safetensors'), file);
    expect(await again({})).to.match(/weights, but no checkpoint of a training run$/);
  });

  it('weights of another number of classes lose their classifier, and frozen layers stay', async () => {
    const network = sized(networkNamed('cifar-alexnet'), 0.05, 7);
    const before = initialise(network, 1, 'kaiming');
    const weights = join(folder, 'seven.safetensors');
    await saveWeights(weights, network.name, network.preprocess, before);
    const notes: string[] = [];
    const options = { data, weights, batch: 8, epochs: 1, device: 'cpu', threads: 1 } as const;
    const { files } = await train({
      ...options,
      freeze: ['conv1', 'conv2'],
      out: join(folder, 'tuned'),
      log: (line) => notes.push(line),
    });
    expect(notes).to.include('fc8 had 7 classes, the data have 10: it begins anew with random weights');
    const { state } = readCheckpoint(files.checkpoint);
    const moved = [...before.keys()].filter(
      (name) =>
        !Buffer.from(state.weights.get(name)!.data.buffer).equals(Buffer.from(before.get(name)!.data.buffer)),
    );
    expect(moved).to.deep.equal([...before.keys()].filter((name) => !/^conv[12]\./.test(name)));
    expect(state.weights.get('fc8.bias')!.shape).to.deep.equal([10]);
    const named = await train({
      ...options,
      network: 'cifar-alexnet',
      images: 8,
      out: join(folder, 'named'),
    });
    const shape = readCheckpoint(named.files.checkpoint).state.weights.get('conv1.weight')!.shape;
    expect(shape).to.deep.equal(before.get('conv1.weight')!.shape);
    const all = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'conv6', 'fc7', 'fc8'];
    expect(await refusal(() => train({ ...options, freeze: ['conv9'], out: join(folder, 'x') }))).to.match(
      /--freeze: no layer 'conv9' \(there are: conv1,/,
    );
    expect(await refusal(() => train({ ...options, freeze: all, out: join(folder, 'x') }))).to.match(
      /all layers are frozen/,
    );
  });

  it('the command: exit 1 where the loss is not a number, 2 for bad input, a line each', async () => {
    const lines: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = (text: string | Uint8Array) => lines.push(String(text)) > 0;
    const command = async (...args: string[]) => {
      lines.length = 0;
      process.exitCode = 0;
      try {
        const code = await alexnet(['node', 'alexnet', 'train', data, ...args]);
        return [code, lines.filter((line) => line.startsWith('alexnet:'))] as const;
      } finally {
        process.exitCode = 0;
      }
    };
    const base = [
      '--device',
      'cpu',
      '--width',
      '0.05',
      '--network',
      'cifar-alexnet',
      '--batch',
      '8',
      '--threads',
      '1',
    ];
    try {
      const nan = await command(
        ...base,
        '--out',
        join(folder, 'c1'),
        '--learning-rate',
        '1e20',
        '--schedule',
        'constant',
      );
      expect(nan[0]).to.equal(1);
      expect(nan[1]).to.have.length(1);
      expect(await command('--out', join(folder, 'c2'), '--learning-rate', '0')).to.deep.equal([
        2,
        ['alexnet: train: learningRate must be above 0 (= 0)\n'],
      ]);
      expect((await command('--learning-rate', 'x'))[0]).to.equal(2);
      expect((await command('--config', join(folder, 'none.json')))[0]).to.equal(2);
    } finally {
      process.stderr.write = write;
    }
  });
});
