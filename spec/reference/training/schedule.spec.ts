import { expect } from 'chai';
import { cosPi } from '../../../reference/math.ts';
import { defaultFactor } from '../../../reference/training/optimiser.ts';
import {
  factorsFor,
  observe,
  type Schedule,
  type ScheduleSettings,
  type ScheduleState,
  scheduleStart,
  schedules,
  settingsAt,
} from '../../../reference/training/schedule.ts';

const rates = (schedule: Schedule, epochs: readonly number[], perEpoch = 1) =>
  epochs.map((epoch) => settingsAt(schedule, scheduleStart, epoch * perEpoch, perEpoch).learningRate);

describe('reference/schedule', () => {
  it("plateau: divided when the error stops improving, three times, then it ends (the paper's)", () => {
    const schedule = { ...schedules.paper, patience: 2 };
    // falls, stalls for two epochs, falls once, stalls …
    const errors = [0.9, 0.8, 0.8, 0.81, 0.5, 0.5, NaN, 0.6, 0.7, 0.6, 0.6, 0.1];
    let state: ScheduleState = scheduleStart;
    const seen = errors.map((error) => {
      state = observe(schedule, JSON.parse(JSON.stringify(state)), error);
      const settings = settingsAt(schedule, state, 0, 1);
      expect(settings.finished).to.equal(state.finished);
      return [settings.learningRate, state.finished];
    });
    expect(seen).to.deep.equal([
      [0.01, false],
      [0.01, false],
      [0.01, false],
      [0.001, false],
      [0.001, false],
      [0.001, false],
      [0.0001, false],
      [0.0001, false],
      [0.00001, false],
      [0.00001, false],
      [0.00001, true],
      [0.00001, true],
    ]);
    expect(state.best).to.equal(0.5);
  });

  it("logged: the epochs of configuration 145, conv1's own rates, the biases' rate, the colour noise", () => {
    const at = (epoch: number, run = schedules['as-run'] as Schedule) =>
      settingsAt(run, scheduleStart, epoch * 10, 10);
    expect(rates(schedules['as-run'], [0, 24, 25, 50, 51, 78, 79, 90])).to.deep.equal([
      0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001, 0.00001, 0.00001,
    ]);
    expect([66, 67, 71, 72, 90].map((epoch) => at(epoch).layers?.conv1)).to.deep.equal([
      undefined,
      1e-5,
      1e-5,
      0,
      0,
    ]);
    expect([66, 67].map((epoch) => at(epoch).lighting)).to.deep.equal([true, false]);
    expect([90, 91].map((epoch) => at(epoch).finished)).to.deep.equal([false, true]);
    expect(at(80).biasRate).to.equal(0.02);
    const run2010 = schedules['as-run-2010'];
    expect(rates(run2010, [22, 23, 51, 77, 78])).to.deep.equal([0.01, 0.001, 0.0001, 0.0001, 0.00001]);
    expect([67, 68].map((epoch) => at(epoch, run2010).lighting)).to.deep.equal([true, false]);
    expect([92, 93].map((epoch) => at(epoch, run2010).finished)).to.deep.equal([false, true]);
  });

  it('logged: factors for the optimiser, biases at 0.02 whatever the rate, conv1 frozen at the end', () => {
    const parameters = ['conv1.weight', 'conv1.bias', 'fc8.weight', 'fc8.bias'];
    const own = (epoch: number) => {
      const settings = settingsAt(schedules['as-run'], scheduleStart, epoch, 1);
      const factors = factorsFor(settings, parameters, (name) => defaultFactor('as-run', name));
      return parameters.map((name) => {
        const { rate, decay } = factors.get(name)!;
        return [Number((rate * settings.learningRate).toPrecision(12)), decay];
      });
    };
    const [weight, bias] = [1, 0];
    expect(own(0)).to.deep.equal([
      [0.01, weight],
      [0.02, bias],
      [0.01, weight],
      [0.02, bias],
    ]);
    expect(own(70)).to.deep.equal([
      [0.00001, weight],
      [0.02, bias],
      [0.0001, weight],
      [0.02, bias],
    ]);
    expect(own(72)).to.deep.equal([
      [0, weight],
      [0, bias],
      [0.0001, weight],
      [0.02, bias],
    ]);
    const plain: ScheduleSettings = { learningRate: 0.01, lighting: true, finished: false };
    const caffe = factorsFor(plain, parameters, (name) => defaultFactor('caffe', name));
    expect(caffe.get('fc8.bias')).to.deep.equal({ rate: 2, decay: 0 });
  });

  it("step: Caffe's iterations and torchvision's epochs", () => {
    const caffe = [0, 99_999, 100_000, 299_999, 300_000].map(
      (i) => settingsAt(schedules.caffe, scheduleStart, i, 5005).learningRate,
    );
    expect(caffe).to.deep.equal([0.01, 0.01, 0.001, 0.0001, 0.00001]);
    expect(settingsAt(schedules.caffe, scheduleStart, 449_999, 5005).finished).to.equal(false);
    expect(settingsAt(schedules.caffe, scheduleStart, 450_000, 5005).finished).to.equal(true);
    const torchvision = [29 * 50 + 49, 30 * 50, 60 * 50, 89 * 50, 90 * 50].map((i) =>
      settingsAt(schedules.torchvision, scheduleStart, i, 50),
    );
    expect(torchvision.map(({ learningRate }) => learningRate).slice(0, 4)).to.deep.equal([
      0.01, 0.001, 0.0001, 0.0001,
    ]);
    expect(torchvision.map(({ finished }) => finished)).to.deep.equal([false, false, false, false, true]);
  });

  it('cosine: linear warm-up over an epoch, half-way down in the middle, 0 at the end', () => {
    const { cifar } = schedules;
    const at = (iteration: number) => settingsAt(cifar, scheduleStart, iteration, 156);
    expect(at(0).learningRate).to.be.closeTo(0.04 / 156, 1e-18);
    expect(at(155).learningRate).to.equal(0.04);
    expect(at(156).learningRate).to.equal(0.04);
    expect(at(30.5 * 156).learningRate).to.be.closeTo(0.02, 1e-17);
    expect(at(60 * 156 - 1).learningRate).to.be.within(1e-9, 1e-8);
    expect(at(60 * 156)).to.deep.equal({ learningRate: 0, lighting: true, finished: true });
    // against the formula with the engine's cosine
    for (let i = 156; i < 60 * 156; i += 333) {
      const wanted = 0.02 * (1 + Math.cos((Math.PI * (i / 156 - 1)) / 59));
      expect(at(i).learningRate).to.be.closeTo(wanted, 1e-16);
    }
    for (let i = 157; i < 60 * 156; i++) {
      if (!(at(i).learningRate < at(i - 1).learningRate)) expect.fail(`does not fall at ${i}`);
    }
  });

  it('constant', () => {
    expect(rates({ kind: 'constant', rate: 0.25 }, [0, 1000])).to.deep.equal([0.25, 0.25]);
  });

  it('schedules and states survive JSON', () => {
    for (const schedule of Object.values<Schedule>(schedules)) {
      expect(JSON.parse(JSON.stringify(schedule))).to.deep.equal(schedule);
      const state = observe(schedule, scheduleStart, 0.5);
      expect(JSON.parse(JSON.stringify(state))).to.deep.equal(state);
    }
  });

  it('refuses what makes no sense', () => {
    expect(() => settingsAt(schedules.paper, scheduleStart, -1, 10)).to.throw(
      'schedule: iteration must be at least 0',
    );
    expect(() => settingsAt(schedules.paper, scheduleStart, 0, 0)).to.throw('perEpoch at least 1 (= 0, 0)');
  });

  it('cosPi has the closed forms, its symmetry, and the value of Math.cos within 2 ULP', () => {
    expect([0, 0.5, 1].map(cosPi)).to.deep.equal([1, 0, -1]);
    expect(cosPi(0.25)).to.be.closeTo(Math.SQRT1_2, 2 ** -53);
    expect(cosPi(1 / 3)).to.be.closeTo(0.5, 2 ** -53);
    for (let i = 0; i <= 4096; i++) {
      const t = i / 4096;
      expect(cosPi(1 - t)).to.equal(0 - cosPi(t));
      // the argument π·t of Math.cos is itself rounded: u·πt·sin
      expect(cosPi(t), `${t}`).to.be.closeTo(Math.cos(Math.PI * t), 2 ** -52 * (1 + Math.PI));
    }
  });
});
