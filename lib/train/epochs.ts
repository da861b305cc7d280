/** The loop: epochs of steps, validation after each, checkpoints in between. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { observe, type ScheduleSettings } from '../../reference/training/schedule.ts';
import type { Device, Place } from '../runtime/devices.ts';
import {
  type EpochRecord,
  type Progress,
  saveCheckpoint,
  saveWeights,
  type TrainingState,
} from './checkpoint.ts';
import { openStepper, type Stepper, type StepResult, validate } from './device.ts';
import { diverged, refuseDamaged, refuseFar, refuseStill } from './diverged.ts';
import { openFeed, type Step } from './feed.ts';
import { type Log, openLog, writeCurves } from './folder.ts';
import type { TrainOptions } from './options.ts';
import { feedSpecOf, planOf, settingsOf, stepperSpecOf, stepsPerEpoch } from './plan.ts';
import type { Setup } from './start.ts';

/** Where a run is, for people who watch it. */
export interface Glance {
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done in the epoch, and in a whole one. */
  readonly step: number;
  readonly steps: number;
  /** Means since the epoch began; the error is top-1's share. */
  readonly loss: number;
  readonly error: number;
  readonly imagesPerSecond: number;
  /** To the end of all epochs. */
  readonly secondsLeft: number;
}

export interface Watching {
  readonly log?: (line: string) => void;
  readonly progress?: (glance: Glance) => void;
  readonly epoch?: (record: EpochRecord) => void;
  /** Ends the run after the call under way, with a checkpoint. */
  readonly signal?: AbortSignal;
}

export interface Outcome {
  readonly progress: Progress;
  readonly stopped: boolean;
  readonly imagesPerSecond: number;
  /** Share of the training's time in which the device waited for images. */
  readonly waited: number;
}

/** Milliseconds that one call should take: people want to see something, and copies of the state to be rare. */
export const TARGET: Readonly<Record<Device, number>> = { cpu: 1000, cuda: 4000, webgpu: 500 };
/** Bytes of images in a call, and of those made ready ahead. */
const CALL_BYTES = 2 ** 28;
const AHEAD_BYTES = 2 ** 29;
const MOST_STEPS = 128;
/** Milliseconds after which a checkpoint is written in the middle of an epoch, whatever is asked for. */
const LONGEST = 600_000;
export const BEST = 'best.safetensors';

type Options = Pick<TrainOptions, 'threads' | 'checkpointEvery'> & { readonly out: string };

/** Trains to the end of the epochs or of the schedule, or until stopped. */
export async function runEpochs(
  setup: Setup,
  device: Place,
  options: Options,
  watching: Watching,
): Promise<Outcome> {
  const { out, threads } = options;
  const spec = feedSpecOf(setup);
  const { progress } = setup;
  const log = await openLog(out, progress.logBytes);
  const running: Running = {
    setup,
    device,
    options,
    watching,
    log,
    perEpoch: stepsPerEpoch(setup),
    progress,
    stepBytes: stepBytesOf(spec),
    perCall: 1,
    clock: { training: 0, images: 0, saved: performance.now(), savedSteps: progress.steps },
  };
  await using feed = openFeed(spec, planOf(setup, spec.cache), threads);
  let stepper: Stepper | undefined;
  let signature = '';
  /** Between two steppers. */
  let between: TrainingState | null = setup.takeState();
  try {
    if (progress.steps === 0) await save(running, between);
    if (progress.stepInEpoch === 0) refuseStill(running, between);
    while (running.progress.epoch < progress.epochs && !watching.signal?.aborted) {
      const { steps } = running.progress;
      const settings = settingsOf(running.progress, steps, running.perEpoch);
      if (settings.finished) break;
      const graph = stepperSpecOf({ ...setup, progress: running.progress }, spec, settings);
      const wanted = JSON.stringify([...graph.factors]);
      if (!stepper || wanted !== signature) {
        between ??= await stepper!.state();
        await stepper?.close();
        stepper = await openStepper(graph, device, between);
        between = null;
        signature = wanted;
      }
      const take = (count: number) => feed.take(count, aheadOf(running, feed.threads));
      if (!(await runEpoch(running, stepper, take))) break;
      await endEpoch(running, stepper, settings);
    }
    const state = between ?? (await stepper!.state());
    if (running.clock.savedSteps !== running.progress.steps) await save(running, state);
    const { clock } = running;
    return {
      progress: running.progress,
      stopped: watching.signal?.aborted ?? false,
      imagesPerSecond: clock.training > 0 ? (1000 * clock.images) / clock.training : 0,
      waited: clock.training > 0 ? feed.waited / clock.training : 0,
    };
  } finally {
    await stepper?.close();
    await log.close();
  }
}

interface Running {
  readonly setup: Setup;
  readonly device: Place;
  readonly options: Options;
  readonly watching: Watching;
  readonly log: Log;
  readonly perEpoch: number;
  readonly stepBytes: number;
  progress: Progress;
  /** A digest of the weights after the epoch before; none yet in the first of this call. */
  weights?: string;
  /** Steps in the next call. */
  perCall: number;
  readonly clock: { training: number; images: number; saved: number; savedSteps: number };
}

const stepBytesOf = ({ side, pad, batch, masks }: ReturnType<typeof feedSpecOf>): number =>
  3 * (side + 2 * pad) ** 2 * batch + masks.reduce((sum, { size }) => sum + size, 0);

/** Steps to have under way beyond those of the next call. */
const aheadOf = ({ stepBytes, perCall }: Running, threads: number): number =>
  Math.max(1, Math.min(Math.max(2 * threads, perCall), Math.floor(AHEAD_BYTES / stepBytes)));

/**
 * The rest of the epoch under way; false where it was stopped. Rejects with Diverged when the loss is not a number.
 */
async function runEpoch(
  running: Running,
  stepper: Stepper,
  take: (count: number) => Promise<Step[]>,
): Promise<boolean> {
  const { perEpoch, options, watching, clock } = running;
  while (running.progress.stepInEpoch < perEpoch) {
    if (watching.signal?.aborted) return false;
    const { stepInEpoch, steps } = running.progress;
    const every = options.checkpointEvery ?? Number.POSITIVE_INFINITY;
    const count = Math.min(running.perCall, perEpoch - stepInEpoch, every - (steps % every));
    const started = performance.now();
    const batch = await take(count);
    const ready = performance.now();
    const results = await stepper.run(batch.map((step) => inputOf(running, step)));
    const ended = performance.now();
    account(running, batch, results, ended - started);
    await running.log.flush();
    running.perCall = nextCall(running, batch.length, ended - ready);
    glance(running);
    const due = running.progress.steps % every === 0 || ended - clock.saved > LONGEST;
    if (due && running.progress.stepInEpoch < perEpoch) await save(running, await stepper.state());
  }
  return true;
}

function inputOf({ setup, progress, perEpoch }: Running, { job, feed }: Step) {
  const { train } = setup.parts;
  const labels = Int32Array.from(job.indices, (i) => train.label(i));
  return { feed, labels, learningRate: settingsOf(progress, job.step, perEpoch).learningRate };
}

/** As many steps as take about TARGET; at most four times as many as before. */
function nextCall({ device, stepBytes, perCall }: Running, count: number, milliseconds: number): number {
  const wanted = Math.round(TARGET[device.device] / Math.max(milliseconds / count, 0.01));
  const most = Math.min(MOST_STEPS, Math.floor(CALL_BYTES / stepBytes), 4 * perCall);
  return Math.max(1, Math.min(wanted, most));
}

/** Takes the results of a call into account. Throws Diverged, naming the step, where a loss is not a number. */
function account(running: Running, batch: readonly Step[], results: readonly StepResult[], ms: number): void {
  const { progress, perEpoch, log, clock } = running;
  const sums = { ...progress.sums };
  for (const [k, { loss, wrong1, wrong5 }] of results.entries()) {
    const { step } = batch[k].job;
    if (!Number.isFinite(loss)) {
      const { learningRate } = settingsOf(progress, step, perEpoch);
      const rate = `a learning rate below ${Number(learningRate.toPrecision(3))}`;
      throw diverged(running, `the loss is ${loss} at step ${step + 1} (epoch ${progress.epoch + 1})`, rate);
    }
    sums.loss += loss;
    sums.wrong1 += wrong1;
    sums.wrong5 += wrong5;
    log.add({ step: step + 1, epoch: progress.epoch + 1, loss, error1: wrong1 / progress.batch });
  }
  refuseFar(running, sums.loss / (progress.stepInEpoch + results.length), results.length);
  clock.training += ms;
  clock.images += results.length * progress.batch;
  running.progress = {
    ...progress,
    sums,
    steps: progress.steps + results.length,
    stepInEpoch: progress.stepInEpoch + results.length,
    epochSeconds: progress.epochSeconds + ms / 1000,
  };
}

function glance({ progress, perEpoch, clock, watching }: Running): void {
  const { stepInEpoch, sums, batch, epoch, epochs, steps } = progress;
  const imagesPerSecond = (1000 * clock.images) / clock.training;
  watching.progress?.({
    epoch: epoch + 1,
    epochs,
    step: stepInEpoch,
    steps: perEpoch,
    loss: sums.loss / stepInEpoch,
    error: sums.wrong1 / (stepInEpoch * batch),
    imagesPerSecond,
    secondsLeft: ((epochs * perEpoch - steps) * batch) / imagesPerSecond,
  });
}

/**
 * Validates, notes the epoch, and commits it: logs first, then the best weights, then the checkpoint, then
 * the curves. Rejects with Diverged before any of them where the weights are good for nothing.
 */
async function endEpoch(running: Running, stepper: Stepper, settings: ScheduleSettings): Promise<void> {
  const { setup, options, log, watching, progress } = running;
  const state = await stepper.state();
  refuseDamaged(running, state);
  refuseStill(running, state);
  const record = await recordOf(running, state, settings);
  // an epoch without validation, where there are others with, says nothing about best and plateau
  const error = record.validation?.error1 ?? (setup.parts.validation ? null : record.error1);
  const better = error !== null && (progress.best === null || error < progress.best.error1);
  running.progress = {
    ...progress,
    scheduleState:
      error === null ? progress.scheduleState : observe(progress.schedule, progress.scheduleState, error),
    epoch: record.epoch,
    stepInEpoch: 0,
    sums: { loss: 0, wrong1: 0, wrong5: 0 },
    epochSeconds: 0,
    history: [...progress.history, record],
    best: better ? { epoch: record.epoch, error1: error } : progress.best,
  };
  const { seconds: _, ...logged } = record;
  log.add(logged);
  if (better) {
    const { network } = setup;
    const file = join(options.out, BEST);
    await saveWeights(file, network.name, network.preprocess, state.weights, progress.classes);
  }
  await save(running, state);
  await writeCurves(options.out, curveTitle(running.progress), running.progress.history, true);
  watching.epoch?.(record);
}

/** The results of the epoch under way. Rejects with Diverged where validation gives no numbers. */
async function recordOf(
  running: Running,
  state: TrainingState,
  settings: ScheduleSettings,
): Promise<EpochRecord> {
  const { setup, device, options, perEpoch, progress } = running;
  const epoch = progress.epoch + 1;
  const { unread, parts } = setup;
  const split = parts.validation;
  const { validateEvery = 1 } = progress.options;
  const due = split !== null && (epoch % validateEvery === 0 || epoch === progress.epochs);
  const validation = due
    ? await validate(setup.network, state.weights, { split, unread }, device, options.threads)
    : null;
  if (due && validation === null) {
    throw diverged(running, `the network gives no numbers for the validation images after epoch ${epoch}`);
  }
  const images = perEpoch * progress.batch;
  const last = settingsOf(progress, progress.steps - 1, perEpoch);
  return {
    epoch,
    learningRate: last.finished ? settings.learningRate : last.learningRate,
    loss: progress.sums.loss / perEpoch,
    error1: progress.sums.wrong1 / images,
    error5: progress.sums.wrong5 / images,
    validation,
    seconds: progress.epochSeconds,
  };
}

export const curveTitle = ({ network, options, history, epochs }: Progress): string =>
  `${network}${options.weights === undefined ? '' : ', fine-tuned'}, epoch ${history.length} of ${epochs}`;

async function save(running: Running, state: TrainingState): Promise<void> {
  const { setup, log, options, clock } = running;
  refuseDamaged(running, state);
  const logBytes = await log.flush();
  await log.sync();
  running.progress = { ...running.progress, logBytes, unread: setup.unread.all };
  await saveCheckpoint(options.out, running.progress, state);
  clock.saved = performance.now();
  clock.savedSteps = running.progress.steps;
}
