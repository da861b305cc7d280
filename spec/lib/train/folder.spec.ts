/** The folder of a run, and a run that goes on from what is in it. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openDataset } from '../../../lib/data/open.ts';
import { CHECKPOINT, saveCheckpoint, saveWeights } from '../../../lib/train/checkpoint.ts';
import { claimFolder, openLog, writeCurves } from '../../../lib/train/folder.ts';
import { begin, sized } from '../../../lib/train/network.ts';
import type { TrainOptions } from '../../../lib/train/options.ts';
import { resume, start } from '../../../lib/train/start.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense } from '../../../reference/tensor.ts';
import { initialise } from '../../../reference/training/init.ts';
import { refusal } from '../../support/data-fixtures.ts';
import { temporary, tinyCifar } from '../../support/training-data.ts';

const record = {
  ...{ epoch: 1, learningRate: 0.01, loss: 2, error1: 0.75, error5: 0.25, seconds: 3 },
  validation: { loss: 1.5, error1: 0.5, error5: 0.125 },
};

describe('the folder of a run', () => {
  const folder = temporary();
  const made = (name: string, files: Readonly<Record<string, string>> = {}) => {
    const path = join(folder, name);
    mkdirSync(path);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  };

  it('is a run’s own with a checkpoint; else what stands there is somebody else’s', async () => {
    const claimed = async (path: string, force?: boolean) =>
      (await claimFolder(path, ['a', 'b'], { inputs: [], force })).release();
    await claimed(made('empty'));
    await claimed(made('others', { 'notes.txt': 'mine', 'classes.txt': 'a\nb\n' }));
    expect(await refusal(() => claimed(made('log', { 'log.csv': '1,2\n' })))).to.match(/log\.csv/);
    const other = made('classes', { 'classes.txt': 'x\ny\n' });
    expect(await refusal(() => claimed(other))).to.match(/classes\.txt/);
    await claimed(other, true);
    await claimed(made('run', { 'log.csv': '1,2\n', [CHECKPOINT]: '' }));
  });

  it('one run at a time; a lock that was refused is free again', async () => {
    const path = made('locked', { 'log.jsonl': '{}' });
    await refusal(() => claimFolder(path, [], { inputs: [] }));
    const lock = await claimFolder(path, [], { inputs: [], force: true });
    expect(await refusal(() => claimFolder(path, [], { inputs: [], force: true }))).to.match(
      /this process \(\d+\) writes there since/,
    );
    lock.release();
  });

  it('a log goes on behind the bytes that belong to what is done', async () => {
    const path = made('steps');
    const first = await openLog(path, 0);
    first.add({ step: 1 });
    // {"step":1} and a newline
    expect(await first.flush()).to.equal(11);
    first.add({ step: 2 });
    first.add({ step: 3 });
    expect(await first.flush()).to.equal(33);
    expect(await first.flush()).to.equal(33);
    await first.close();
    const again = await openLog(path, 22);
    again.add({ step: 9 });
    expect(await again.flush()).to.equal(33);
    await again.close();
    expect(readFileSync(join(path, 'log.jsonl'), 'utf8')).to.equal('{"step":1}\n{"step":2}\n{"step":9}\n');
    await (await openLog(path, 0)).close();
    expect(readFileSync(join(path, 'log.jsonl'), 'utf8')).to.equal('');
  });

  it('curves and table after each epoch; the page loads itself anew while the run goes on', async () => {
    const path = made('curves');
    const read = (name: string) => readFileSync(join(path, name), 'utf8');
    await writeCurves(path, 'a <run>', [record, { ...record, epoch: 2 }], true);
    expect(read('log.csv').split('\n')[2]).to.equal('2,0.01,2,0.75,0.25,1.5,0.5,0.125,3.00');
    for (const name of ['training, top-1', 'validation, top-1', 'validation, top-5', 'a &lt;run&gt;'])
      expect(read('curve.svg')).to.include(name);
    expect(read('curve.html'))
      .to.match(/http-equiv="refresh" content="10"/)
      .and.include('<svg');
    await writeCurves(path, 'a <run>', [{ ...record, validation: null }], false);
    expect(read('curve.html')).not.to.match(/http-equiv="refresh"/);
    expect(read('curve.svg')).not.to.include('validation');
  });
});

describe('weights to begin with', () => {
  const folder = temporary();
  const file = join(folder, 'four.safetensors');
  const four = sized(networkNamed('cifar-alexnet'), 0.05, 4);
  const saved = initialise(four, 7, 'kaiming');
  before(() => saveWeights(file, four.name, four.preprocess, saved));

  it('of as many classes stay; with others the last layer begins anew, by the seed', async () => {
    const options = { weights: file, seed: 3, network: 'cifar-alexnet' };
    const same = await begin(sized(four, 1, 4), options);
    expect(same.notes).to.have.length(1);
    for (const [name, value] of saved)
      expect(dense(same.state.weights.get(name)!)).to.deep.equal(dense(value));
    const other = await begin(sized(four, 1, 3), options);
    expect(other.notes).to.include('fc8 had 4 classes, the data have 3: it begins anew with random weights');
    const drawn = initialise(sized(four, 1, 3), 3, 'kaiming');
    for (const [name, value] of other.state.weights) {
      const wanted = name.startsWith('fc8.') ? drawn.get(name)! : saved.get(name)!;
      expect(dense(value), name).to.deep.equal(dense(wanted));
      expect(dense(other.state.momenta.get(name)!).every((v) => v === 0)).to.equal(true);
    }
    expect(other.network.layers.at(-2)).to.include({ name: 'fc8', channels: 3 });
  });

  it('the last layer as narrow as is told: its own draws, scaled', async () => {
    // Kaiming's deviation at 8 inputs is √(2/8) = ½
    const { state } = await begin(four, { seed: 7, lastDeviation: 0.25 });
    const wanted = dense(saved.get('fc8.weight')!).map((w) => Math.fround(w / 2));
    expect(dense(state.weights.get('fc8.weight')!)).to.deep.equal(wanted);
    expect(dense(state.weights.get('fc7.weight')!)).to.deep.equal(dense(saved.get('fc7.weight')!));
  });
});

describe('a run that goes on', () => {
  const folder = temporary();
  const options: TrainOptions = { data: '', width: 0.05, augment: 'none', batch: 20, epochs: 2 };
  const kept = async (name: string, more: Partial<TrainOptions> = {}) => {
    const data = await openDataset(tinyCifar(join(folder, name)));
    const { progress, takeState } = await start(data, { ...options, ...more });
    await saveCheckpoint(
      join(folder, name),
      { ...progress, epoch: 1, stepInEpoch: 1, steps: 3 },
      takeState(),
    );
    data.close();
    return { data, path: join(folder, name, CHECKPOINT), progress };
  };

  it('has its options from the checkpoint, and may be told more epochs', async () => {
    const { data, path, progress } = await kept('plain');
    const setup = await resume(path, data, { data: '', device: 'cpu', threads: 3 });
    expect(setup.progress).to.deep.equal({ ...progress, epoch: 1, stepInEpoch: 1, steps: 3 });
    expect(setup.notes).to.deep.equal([`goes on from ${path}: 1 epochs and 1 steps are done`]);
    expect((await resume(path, data, { ...options, epochs: 7 })).progress.epochs).to.equal(7);
    expect(await refusal(() => resume(path, data, { ...options, batch: 10 }))).to.equal(
      `${path} was made with batch 20, not 10: leave it out`,
    );
    expect(await refusal(() => resume(path, data, { ...options, freeze: ['conv1'] }))).to.equal(
      `${path} was made with freeze not given, not ["conv1"]: leave it out`,
    );
  });

  for (const schedule of ['cosine', 'step'] as const)
    it(`${schedule} hangs on the number of epochs, which then stays`, async () => {
      const { data, path } = await kept(schedule, { schedule });
      expect(await refusal(() => resume(path, data, { data: '', epochs: 3 }))).to.match(
        /was made with epochs 2, not 3: leave it out$/,
      );
      expect((await resume(path, data, { data: '', epochs: 2 })).progress.epochs).to.equal(2);
    });

  it('wants the images with which it was made', async () => {
    const { path } = await kept('first');
    const fewer = await openDataset(tinyCifar(join(folder, 'fewer'), 39));
    expect(await refusal(() => resume(path, fewer, { data: '' }))).to.match(
      /fewer: not the images with which/,
    );
    fewer.close();
  });
});
