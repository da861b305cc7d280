/** What the options of train do: options.spec.ts reads the titles. */
import fs, { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { expect } from 'chai';
import { readTensors, writeTensors } from '../../lib/disk/tensors.ts';
import { encodeJpeg, encodePng } from '../../lib/image/encode.ts';
import { readCheckpoint, saveWeights } from '../../lib/train/checkpoint.ts';
import { type TrainOptions, train } from '../../lib/train/index.ts';
import { circumstances, optionChecks } from '../../lib/train/options.ts';
import { preprocess } from '../../reference/input/preprocess.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, sizeOf, tensor } from '../../reference/tensor.ts';
import { backward } from '../../reference/training/gradient.ts';
import { initialise } from '../../reference/training/init.ts';
import { commandLines } from '../support/command-lines.ts';
import { refusal } from '../support/data-fixtures.ts';
import { difference } from '../support/training.ts';
import { tinyCifar } from '../support/training-data.ts';

const whole = networkNamed('cifar-alexnet');
/** At a twentieth of its widths. */
const narrow: Network = {
  ...whole,
  layers: whole.layers.map((layer) =>
    'channels' in layer && layer.name !== 'fc8'
      ? { ...layer, channels: Math.max(4, 4 * Math.round(layer.channels / 80)) }
      : layer,
  ),
};

/** Every second picture of the records, ready for the network, and its label. */
function batchOf(records: Buffer, spec = narrow.preprocess) {
  const pictures = Array.from({ length: 20 }, (_, n) => records.subarray(2 * n * 3073, (2 * n + 1) * 3073));
  const inputs = pictures.map((record) => {
    const data = new Uint8Array(3072).map((_, i) => record[1 + (i % 3) * 1024 + Math.floor(i / 3)]);
    return dense(preprocess({ width: 32, height: 32, data }, spec));
  });
  const input = tensor(Float32Array.from(inputs.flatMap((x) => [...x])), [20, 3, 28, 28]);
  return { input, labels: pictures.map((record) => record[0]), dropout: 'none' } as const;
}

describe('options of train', function () {
  this.timeout(120_000);
  const { path, write, json, refused, run, heedsDevice } = commandLines();
  const records = readFileSync(`${tinyCifar(path('data'), 40, 10)}/data_batch_1.bin`);
  const small = '--network cifar-alexnet --width 0.05 --device cpu --threads 1';
  const checkpoint = (out: string) => readCheckpoint(path(`${out}/checkpoint.safetensors`));

  it('train --config, --width, --epochs, --learning-rate, --momentum, --weight-decay, --update, --schedule, --augment, --no-dropout, --init, --last-deviation, --seed, --images, --out; train() biasDecay, data: two steps by hand', async () => {
    write('c.json', '{"biasDecay": true, "epochs": 9}');
    const size = '--epochs 2 --images 20 --batch 20 --augment none --no-dropout --seed 7 --init caffe';
    const hyper = '--learning-rate 0.02 --momentum 0.5 --weight-decay 0.1 --update caffe --schedule step';
    const line = `train data ${small} --config c.json ${size} --last-deviation 0.3 ${hyper} --out hand`;
    expect(await json(line)).to.include({ steps: 2, epochs: 2, images: 20 });
    const start = new Map(initialise(narrow, 7, 'caffe'));
    // Kaiming's draws have a deviation of √(2/fan-in)
    const drawn = initialise(narrow, 7, 'kaiming').get('fc8.weight')!;
    const factor = 0.3 / Math.sqrt(2 / sizeOf(drawn.shape.slice(1)));
    start.set(
      'fc8.weight',
      tensor(
        Float32Array.from(dense(drawn), (w) => w * factor),
        drawn.shape,
      ),
    );
    let weights: Weights = start;
    const momenta = new Map([...start].map(([name, { data }]) => [name, new Float64Array(data.length)]));
    // a third of two epochs, rounded up, is one: then a tenth
    for (const rate of [0.02, 0.002]) {
      const { gradients } = backward(narrow, weights, batchOf(records), {
        precision: 'float64',
        ties: 'every',
      });
      weights = new Map(
        [...weights].map(([name, w]) => {
          const g = dense(gradients.get(name)!);
          const v = momenta.get(name)!;
          // Caffe's lr_mult of a bias is 2; its decay_mult 0 is overruled
          const own = name.endsWith('.bias') ? 2 * rate : rate;
          for (const [i, value] of dense(w).entries()) v[i] = 0.5 * v[i] + own * (g[i] + 0.1 * value);
          return [
            name,
            tensor(
              new Float64Array(dense(w)).map((value, i) => value - v[i]),
              w.shape,
            ),
          ];
        }),
      );
    }
    // two steps of float32, each √1000·u off
    const tolerance = 10 * Math.sqrt(1000) * 2 ** -24;
    const { state, progress } = checkpoint('hand');
    expect(progress.distortion).to.equal(null);
    expect([...state.weights.keys()].sort()).to.deep.equal([...weights.keys()].sort());
    // a bias that began at 0 is a sum of thousands of terms that cancel: what it lost is not bounded here
    const solid = [...weights].filter(([name]) => dense(start.get(name)!).some((value) => value !== 0));
    expect(solid.filter(([name]) => name.endsWith('.bias'))).not.to.deep.equal([]);
    for (const [name, { data }] of solid)
      expect(difference(state.weights.get(name)!.data, data), name).to.be.below(tolerance);
  });

  it('train --resume: what is trained may not change, where and how it is trained may', async () => {
    const others: Required<Omit<TrainOptions, (typeof circumstances)[number]>> = {
      ...{ network: 'cifar-relu', width: 0.1, weights: 'w.npz', freeze: ['conv1'], epochs: 3, batch: 10 },
      ...{ learningRate: 0.01, momentum: 0.9, weightDecay: 0.2, biasDecay: false, update: 'paper' },
      ...{
        schedule: 'constant',
        augment: 'cifar',
        dropout: true,
        init: 'paper',
        lastDeviation: 0.2,
        seed: 8,
      },
      ...{ images: 10, validationImages: 5, validateEvery: 2 },
      ...{ layerRates: { conv1: 2 }, recipe: 'paper', scale: false },
    };
    expect([...Object.keys(others), ...circumstances].sort()).to.deep.equal(Object.keys(optionChecks).sort());
    const run = { data: path('data'), out: path('hand'), resume: true } as const;
    for (const [key, value] of Object.entries(others))
      expect(await refusal(() => train({ ...run, [key]: value }))).to.match(
        new RegExp(`was made with ${key} .*, not .*: leave it out$`),
      );
    const more = `--epochs 1 --batch 10 --schedule constant --augment none`;
    await json(`train data ${small} ${more} --out moved`);
    renameSync(path('data'), path('there'));
    renameSync(path('moved'), path('here'));
    const changed = '--device cpu --threads 2 --checkpoint-every 3 --resume --epochs 2';
    expect((await json(`train there ${changed} --out here`)).history).to.have.length(2);
    renameSync(path('there'), path('data'));
  });

  it('train --weights, --freeze: begins with these, and leaves those layers', async () => {
    const given = initialise(narrow, 3, 'kaiming');
    await writeTensors(path('w.npz'), given);
    const line = `train data --network cifar-alexnet --device cpu --threads 1 --epochs 1 --batch 20`;
    await json(`${line} --weights w.npz --freeze conv1,fc8 --out frozen`);
    const { weights } = checkpoint('frozen').state;
    const same = [...given].filter(([name, w]) => difference(weights.get(name)!.data, w.data) === 0);
    expect(same.map(([name]) => name)).to.deep.equal([
      'conv1.weight',
      'conv1.bias',
      'fc8.weight',
      'fc8.bias',
    ]);
    for (const [name, w] of given) expect(difference(weights.get(name)!.data, w.data), name).to.be.below(0.5);
  });

  it('train --layer-rates: a step of that layer is so many times as long; ten for one that begins anew', async () => {
    const given = initialise(narrow, 3, 'kaiming');
    await writeTensors(path('w.npz'), given);
    const line = `train data --network cifar-alexnet --device cpu --threads 1 --epochs 1 --batch 40 --schedule constant`;
    const how = `${line} --augment none --no-dropout --weight-decay 0 --learning-rate 0.01`;
    await json(`${how} --weights w.npz --out once`);
    await json(`${how} --weights w.npz --layer-rates conv1=4,fc8=0 --out apart`);
    const [once, apart] = ['once', 'apart'].map((out) => checkpoint(out).state.weights);
    const moved = (after: Weights, name: string) =>
      new Float64Array(dense(after.get(name)!)).map((w, i) => w - dense(given.get(name)!)[i]);
    // one step w + 4d against w + d: each sum rounds to half an ulp of w, at most 2⁻²⁴·|w| (|w| < 4), and so does 4d
    const tolerance = 2 ** -24 * 4 * (4 + 1 + 4);
    for (const [name, times] of [
      ['conv1.weight', 4],
      ['conv2.weight', 1],
      ['fc8.weight', 0],
    ] as const) {
      const d = moved(once, name);
      expect(Math.max(...d.map(Math.abs)), name).to.be.above(100 * tolerance);
      expect(Math.max(...moved(apart, name).map((v, i) => Math.abs(v - times * d[i]))), name).to.be.below(
        tolerance,
      );
    }
    expect((await run('train data --layer-rates conv9=1 --out x')).err).to.match(
      /--layer-rates: no layer 'conv9'/,
    );
    expect((await run('train data --layer-rates conv1 --out x')).err).to.match(/It must be LAYER=FACTOR/);
  });

  it('train --recipe, --no-scale: all as the paper has it; raw pixels divided by their deviation, or not', async () => {
    const line =
      'train data --device cpu --threads 1 --epochs 1 --images 20 --augment none --network cifar10-full --width 0.2';
    await json(`${line} --out scaled`);
    await json(`${line} --no-scale --out raw`);
    await json(`${line} --recipe paper --out recipe`);
    const [scaled, raw, recipe] = ['scaled', 'raw', 'recipe'].map((out) => checkpoint(out).progress);
    // all pixels of every second picture, each a population
    const pictures = Array.from({ length: 20 }, (_, n) =>
      records.subarray(2 * n * 3073 + 1, (2 * n + 1) * 3073),
    );
    const deviations = [0, 1, 2].map((c) => {
      const values = pictures.flatMap((planes) => [...planes.subarray(c * 1024, (c + 1) * 1024)]);
      const mean = values.reduce((a, b) => a + b) / values.length;
      return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
    });
    const { deviation, channels } = scaled.preprocess;
    const rgb = channels === 'RGB' ? deviation : deviation.toReversed();
    // sums of 20,480 whole numbers are exact; squares, products and the root round
    for (const [c, value] of deviations.entries())
      expect(rgb[c]).to.be.closeTo(value, 1e3 * 2 ** -52 * value);
    expect(raw.preprocess.deviation).to.deep.equal([1, 1, 1]);
    expect(recipe.preprocess.deviation).to.deep.equal([1, 1, 1]);
    expect(recipe.options).to.include({ init: 'paper', batch: 128, learningRate: 0.01 });
  });

  it('train --weights: with the preprocessing that the file tells of', async () => {
    const spec = {
      ...whole.preprocess,
      channels: 'BGR',
      mean: [90, 100, 110],
      deviation: [50, 60, 70],
    } as const;
    const given = initialise(narrow, 3, 'kaiming');
    await saveWeights(path('own.safetensors'), 'cifar-alexnet', spec, given);
    const how = '--epochs 1 --images 20 --batch 20 --augment none --no-dropout --device cpu --threads 1';
    const { history } = await json(`train data --weights own.safetensors ${how} --out own`);
    const { loss } = backward(narrow, given, batchOf(records, spec));
    expect(history[0].loss).to.be.closeTo(loss, 1e-5 * loss);
    expect(checkpoint('own').progress.preprocess).to.deep.equal(spec);
    const { metadata } = await json('weights inspect own/weights.safetensors');
    expect(JSON.parse(metadata.preprocess)).to.deep.equal(spec);
  });

  it('train --network, --batch, --validation-images, --validate-every: what is validated, on which images, after which epochs', async () => {
    const line = 'train data --network cifar-relu --width 0.1 --device cpu --threads 1 --epochs 3 --batch 20';
    const { err } = await run(`${line} --validation-images 3 --validate-every 2 --out seldom`);
    expect(err).to.match(/^cifar-relu, 40 images of 10 classes, 3 to validate$/m);
    const { history, steps } = checkpoint('seldom').progress;
    expect(steps).to.equal(6);
    expect(history.map(({ validation }) => Boolean(validation))).to.deep.equal([false, true, true]);
    expect((3 * history[1].validation!.error1) % 1).to.be.closeTo(0, 1e-9);
  });

  it('train --checkpoint-every; train() log, progress, epoch, signal: a run that is watched, and stopped in the middle of an epoch', async () => {
    const abort = new AbortController();
    const told: string[] = [];
    const seen: number[][] = [];
    const base = {
      data: path('data'),
      network: 'cifar-alexnet',
      width: 0.05,
      batch: 4,
      device: 'cpu',
      threads: 1,
    } as const;
    const out = path('watched');
    const first = await train({
      ...base,
      out,
      epochs: 2,
      checkpointEvery: 2,
      signal: abort.signal,
      log: (line) => void told.push(line),
      epoch: ({ epoch }) => void told.push(`epoch ${epoch}`),
      progress({ epoch, step, steps }) {
        const done = (epoch - 1) * steps + step;
        seen.push([done, checkpoint('watched').progress.steps]);
        if (done >= 13) abort.abort();
      },
    });
    // a checkpoint is written after each second step: what lies there is at most two steps old
    for (const [done, saved] of seen) expect(saved).to.equal(2 * Math.ceil(done / 2) - 2);
    expect([first.stopped, first.epochs]).to.deep.equal([true, 1]);
    expect(first.steps).to.equal(seen.at(-1)![0]);
    expect(first.steps).to.be.within(13, 14);
    expect(checkpoint('watched').progress).to.include({ epoch: 1, steps: first.steps });
    expect(told).to.include('cifar-alexnet, 40 images of 10 classes, 10 to validate');
    expect(told.at(-1)).to.equal('epoch 1');
    const rest = await train({ ...base, out, resume: true, epochs: 2 });
    expect([rest.stopped, rest.steps]).to.deep.equal([false, 20]);
    // without checkpoints between epochs: the first call is one step
    const early = new AbortController();
    const stop = { signal: early.signal, progress: () => early.abort() };
    expect((await train({ ...base, out: path('early'), epochs: 1, ...stop })).steps).to.equal(1);
    expect(checkpoint('early').progress).to.include({ steps: 1, stepInEpoch: 1 });
  });

  it('train --checkpoint-every, --force, --strict: how often it is saved, over what, and past which pictures', async () => {
    const line =
      'train data --network cifar-alexnet --width 0.05 --epochs 1 --batch 10 --threads 1 --device cpu';
    mkdirSync(path('mine'));
    write('mine/log.csv', 'my own');
    expect(await refused(`${line} --out mine`)).to.match(/log\.csv: exists/);
    const often = () => json(`${line} --out mine --force --checkpoint-every 1`);
    // behind each of four steps, and not the last alone; the first file of all takes nobody's place
    expect(await checkpointsDuring(often)).to.equal(4);
    expect(checkpoint('mine').progress.steps).to.equal(4);
    for (const [i, name] of ['a/1', 'a/2', 'b/1', 'b/2', 'b/3'].entries()) {
      mkdirSync(path(`pictures/${name[0]}`), { recursive: true });
      const plain = { width: 32, height: 32, data: new Uint8Array(3072).fill(40 * i) };
      if (i < 4) write(`pictures/${name}.png`, encodePng(plain));
      else write(`pictures/${name}.jpg`, encodeJpeg(plain).subarray(0, 100));
    }
    const folders = line.replace('data', 'pictures').replace('--batch 10', '--batch 1 --augment none');
    expect((await json(`${folders} --out skipped`)).steps).to.be.above(0);
    expect(await refused(`${folders} --out strict --strict`)).to.match(/3\.jpg: truncated JPEG/);
  });

  it('train --device, --threads: where it trains, and that so many at most make the batches', async () => {
    const line = 'train data --network cifar-alexnet --width 0.05 --epochs 1 --batch 20';
    let workers = 0;
    const count = () => void workers++;
    process.on('worker', count);
    expect(await heedsDevice(`${line} --out devices --resume --threads 1`)).to.equal(true);
    expect((await readTensors(path('devices/best.safetensors'))).size).to.equal(16);
    const one = workers;
    await json(`${line} --out three --device cpu --threads 3`);
    process.off('worker', count);
    // a further one starts when the others have work
    expect(workers - one).to.be.above(one);
  });
});

/** How often a file takes the place of a checkpoint meanwhile. */
async function checkpointsDuring(work: () => Promise<unknown>): Promise<number> {
  const { rename } = fs.promises;
  let count = 0;
  fs.promises.rename = (from, to) => {
    if (String(to).endsWith('/checkpoint.safetensors')) count++;
    return rename(from, to);
  };
  syncBuiltinESMExports();
  try {
    await work();
    return count;
  } finally {
    fs.promises.rename = rename;
    syncBuiltinESMExports();
  }
}
