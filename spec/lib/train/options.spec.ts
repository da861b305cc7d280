import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openDataset } from '../../../lib/data/open.ts';
import { checkOptions, distortionOf, readConfig, scheduleOf } from '../../../lib/train/options.ts';
import { feedSpecOf, stepperSpecOf } from '../../../lib/train/plan.ts';
import { start } from '../../../lib/train/start.ts';
import { scheduleStart, settingsAt } from '../../../reference/training/schedule.ts';
import { refusal } from '../../support/data-fixtures.ts';
import { temporary, tinyCifar } from '../../support/training-data.ts';

const refused = (options: object) => refusal(async () => checkOptions(options));

describe('options of training', () => {
  const folder = temporary();

  it('names what is unknown or cannot be', async () => {
    expect(await refused({ epoch: 3 })).to.match(/^train: unknown option 'epoch' \(there are: data, network/);
    expect(await refused({ epochs: 0 })).to.equal('train: epochs must be an integer of at least 1 (= 0)');
    expect(await refused({ learningRate: Number.NaN })).to.match(/^train: learningRate must be above 0/);
    expect(await refused({ momentum: 1 })).to.match(/^train: momentum must be at least 0 and below 1/);
    expect(await refused({ update: 'adam' })).to.match(
      /^train: update must be one of paper, as-run, caffe, pytorch \(= "adam"\)/,
    );
    expect(await refused({ schedule: { kind: 'cosine', rate: 1 } })).to.match(
      /^train: schedule must be an object with kind, rate, warmUp, total/,
    );
    expect(await refused({ schedule: { kind: 'toString' } })).to.match(/^train: schedule must be a name or/);
    expect(await refused({ schedule: { kind: 'cosine', rate: 1, warmUp: -1, total: 3 } })).to.match(
      /^train: schedule must be an object with warmUp/,
    );
    expect(
      await refused({ augment: { offsets: 'all', mirror: 1, chunk: 1, lighting: 'root', pad: 0 } }),
    ).to.match(/^train: augment must be an object with mirror/);
    checkOptions({ data: 'x', width: undefined, schedule: { kind: 'cosine', rate: 1, warmUp: 0, total: 3 } });
  });

  it('come from a JSON file, which says what is wrong with it', async () => {
    const file = join(folder, 'recipe.json');
    const write = (text: string) => writeFileSync(file, text);
    write('{"about": "for readers", "epochs": 3, "freeze": ["conv1"]}');
    expect(await readConfig(file)).to.deep.equal({ epochs: 3, freeze: ['conv1'] });
    write('{"epochs": "3"}');
    expect(await refusal(() => readConfig(file))).to.equal(
      `${file}: epochs must be an integer of at least 1 (= "3")`,
    );
    write('[]');
    expect(await refusal(() => readConfig(file))).to.equal(`${file}: it must hold an object of options`);
    write('{');
    expect(await refusal(() => readConfig(file))).to.match(/no valid JSON/);
    expect(await refusal(() => readConfig(join(folder, 'none.json')))).to.match(/none\.json: no such file/);
  });

  it("the committed recipe is facts: Kaiming's start, one epoch of warm-up, no decay on biases", async () => {
    const recipe = await readConfig('recipes/cifar-alexnet.json');
    expect(recipe).to.include({ network: 'cifar-alexnet', batch: 128, biasDecay: false, epochs: 60 });
    const schedule = scheduleOf(recipe.schedule!, 1, 60);
    expect(settingsAt(schedule, scheduleStart, 155, 156).learningRate).to.equal(0.04);
    expect(settingsAt(schedule, scheduleStart, 60 * 156, 156).finished).to.equal(true);
    expect(distortionOf(recipe.augment!, 'CIFAR-10')).to.include({ pad: 2, mirror: true, lighting: 'root' });
  });

  it('the committed recipe decays no bias, and every weight', async () => {
    const { schedule: _, ...recipe } = await readConfig('recipes/cifar-alexnet.json');
    const data = await openDataset(tinyCifar(join(folder, 'data')));
    const setup = await start(data, { ...recipe, data: '', width: 0.05, augment: 'none' });
    data.close();
    const settings = settingsAt(setup.progress.schedule, scheduleStart, 0, 1);
    for (const [name, { decay }] of stepperSpecOf(setup, feedSpecOf(setup), settings).factors)
      expect(decay, name).to.equal(name.endsWith('.bias') ? 0 : 1);
    const decaying = { ...setup.progress, options: { ...setup.progress.options, biasDecay: true } };
    const factors = stepperSpecOf({ ...setup, progress: decaying }, feedSpecOf(setup), settings).factors;
    expect(factors.get('conv1.bias')!.decay).to.equal(1);
  });

  it('few epochs warm up for a tenth of them', () => {
    const rate = (epochs: number, step: number, schedule: 'cosine' | 'plateau' = 'cosine') =>
      settingsAt(scheduleOf(schedule, 0.5, epochs), scheduleStart, step, 10).learningRate;
    // 4 epochs: 4 steps of 40
    expect([0, 1, 2, 3].map((step) => rate(4, step))).to.deep.equal([0.125, 0.25, 0.375, 0.5]);
    expect([0, 1, 2, 3, 4].map((step) => rate(4, step, 'plateau'))).to.deep.equal([
      0.125, 0.25, 0.375, 0.5, 0.5,
    ]);
    expect([0, 1].map((step) => rate(1, step))).to.deep.equal([0.5, 0.5]);
    expect([0, 9].map((step) => rate(10, step))).to.deep.equal([0.05, 0.5]);
    expect(rate(4, 22)).to.be.closeTo(0.25, 0.03);
  });

  it('schedules by name follow rate and epochs; digits are not mirrored', () => {
    const rate = (name: 'step' | 'cosine' | 'constant', epoch: number) =>
      settingsAt(scheduleOf(name, 0.5, 30), scheduleStart, epoch * 10, 10).learningRate;
    expect([0, 9, 10, 20, 29].map((epoch) => rate('step', epoch))).to.deep.equal([
      0.5, 0.5, 0.05, 0.005, 0.005,
    ]);
    expect(rate('constant', 29)).to.equal(0.5);
    expect(rate('cosine', 1)).to.equal(0.5);
    expect(rate('cosine', 0)).to.equal(0.05);
    expect(distortionOf('standard', 'MNIST')).to.include({ mirror: false, lighting: 'none' });
    expect(distortionOf('none', 'CIFAR-10')).to.equal(null);
    expect(distortionOf('as-run', 'CIFAR-10')).to.include({ chunk: 32, lighting: 'as-run' });
  });
});
