/** Classifies pictures: one session, reused, behind `alexnet predict` and for other people's programs. */
/// <reference lib="esnext.disposable" preserve="true" />

import { type Pixels, pictureSide } from '../../reference/input/pixels.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { checkAgainst } from '../checks.ts';
import { openPool, type Pool } from '../data/pool.ts';
import { findMean, type Mean } from '../image/mean.ts';
import { readPreprocess } from '../networks/preprocess.ts';
import { type Chosen, resolve } from '../networks/resolve.ts';
import type { Choice as DeviceChoice } from '../runtime/devices.ts';
import { inOrder } from '../runtime/threads.ts';
import { requireWeights } from '../weights/shipped.ts';
import { classNamesOf, type Engine, opened, pixelsFor, startEngines } from './engine.ts';
import { type CallOptions, type ClassifierOptions, callChecks, classifierChecks } from './options.ts';
import { checkPictures, isAsync, listed, type Pictures } from './pictures.ts';
import {
  average,
  batchFor,
  inGroups,
  nameOf,
  type Outcome,
  openPipeline,
  type Pipeline,
} from './pipeline.ts';

/** As many calls are under way as there may be: try again later. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';
}

export interface Guess {
  /** Class number, from 0. */
  readonly class: number;
  readonly name: string;
  /** Probability, 0 to 1. */
  readonly probability: number;
}

/** The most probable classes, or why the picture could not be used; with the `id` that it was given. */
export type Prediction = { readonly image: string; readonly id?: string | number } & (
  | { readonly guesses: readonly Guess[]; readonly error?: undefined }
  | { readonly error: string; readonly guesses?: undefined }
);

interface Parts {
  readonly model: Chosen;
  readonly mean: Mean | null;
  readonly names: readonly string[];
  readonly engines: readonly Engine[];
  readonly pool: Pool;
  readonly options: ClassifierOptions;
  /** What the engines do to pictures themselves. */
  readonly pixels?: Pixels;
}

export class Classifier implements AsyncDisposable {
  readonly model: Chosen;
  /** The mean image that is subtracted, and its file. */
  readonly mean: Mean | null;
  /** The first of `devices`; null where the oracle computes. */
  readonly device: DeviceChoice | null;
  readonly devices: readonly DeviceChoice[];
  /** Of each picture. */
  readonly views: 1 | 10;
  readonly #parts: Parts;
  readonly #pipeline: Pipeline;
  readonly #batch: number;
  /** Calls and groups under way: when it is empty, it can be closed. */
  readonly #under = new Set<Promise<unknown>>();
  #calls = 0;
  #closing: Promise<void> | undefined;

  private constructor(parts: Parts) {
    const { model, mean, engines, pool, options, pixels } = parts;
    const { views = 1, maxDelayMs } = options;
    this.model = model;
    this.mean = mean;
    this.views = views;
    this.devices = engines.flatMap(({ device }) => device ?? []);
    this.device = this.devices[0] ?? null;
    this.#parts = parts;
    this.#batch = options.maxBatch ?? batchFor(model.network, this.device, views);
    this.#pipeline = openPipeline(model.network, engines, pool, {
      ...{ maxBatch: this.#batch, maxDelayMs, views, pixels },
    });
  }

  /**
   * Without weights: those in the box for that network (cifar-alexnet); random ones need a seed. Throws InputError for
   * weights or names that do not fit, EnvironmentError for a device that does not work.
   */
  static async open(options: ClassifierOptions = {}): Promise<Classifier> {
    const classifier = await Classifier.opening(options);
    const { pool, engines } = classifier.#parts;
    try {
      await opened(engines);
      return classifier;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /** The same while the devices are opening: pictures are decoded meanwhile. The first call tells what is wrong. */
  static async opening(given: ClassifierOptions = {}): Promise<Classifier> {
    checkAgainst(classifierChecks, given, 'Classifier.open');
    const options = requireWeights('Classifier.open', given);
    const wanted = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
    const chosen = await resolve(options);
    const model = { ...chosen, preprocess: wanted ?? chosen.preprocess };
    const file = typeof options.weights === 'string' ? options.weights : undefined;
    const mean = await findMean(model.preprocess, options.mean, file);
    const names = await classNamesOf(model, options.classNames);
    const { views = model.views ?? 1, decoder, scanBudget, threads } = options;
    const recipe = { preprocess: model.preprocess, views, meanImage: mean?.image, decoder, scanBudget };
    // its first thread starts while the engines do
    const pixels = pixelsFor(model, { views, mean, engine: options.engine });
    const pool = openPool({ form: pixels ? 'picture' : 'input', ...recipe }, { threads });
    try {
      const engines = await startEngines({ ...model, pixels }, options);
      return new Classifier({ model, mean, names, engines, pool, options: { ...options, views }, pixels });
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * One prediction a picture, in order. One that cannot be read does not stop the others. Calls that come one by one
   * share runs of the devices. Rejects with InputError for what is not a picture at all, with Overloaded beyond
   * `maxCalls`, with the signal's reason.
   */
  async classify(pictures: Pictures, options: CallOptions = {}): Promise<Prediction[]> {
    this.#check('Classifier.classify', pictures, options);
    const { maxCalls = 1000 } = this.#parts.options;
    if (this.#calls >= maxCalls)
      throw new Overloaded(
        `Classifier.classify: ${maxCalls} calls are under way already (maxCalls): try again later`,
      );
    this.#calls++;
    const predictions: Prediction[] = [];
    const call = async (): Promise<void> => {
      for await (const prediction of this.#predictions(pictures, options)) predictions.push(prediction);
    };
    await this.#remember(call()).finally(() => this.#calls--);
    return predictions;
  }

  /**
   * The same, one after the other as they are made: a few batches are under way, however many pictures there are.
   * Those of an async iterable are computed as they come, in batches that the moment decides.
   */
  stream(pictures: Pictures, options: CallOptions = {}): AsyncGenerator<Prediction> {
    this.#check('Classifier.stream', pictures, options);
    return this.#predictions(pictures, options, () => this.#mustBeOpen('Classifier.stream'));
  }

  async *#predictions(
    pictures: Pictures,
    { signal }: CallOptions,
    check = (): void => {},
  ): AsyncGenerator<Prediction> {
    const size = isAsync(pictures) ? 1 : this.#batch;
    const groups = inGroups(listed(pictures, this.#parts.options), size);
    const classified = inOrder(
      groups,
      (this.#pipeline.ahead * this.#batch) / size,
      async (group) => {
        check();
        const given = group.map(({ picture }) => picture);
        return { group, outcomes: await this.#remember(this.#pipeline.classify(given, signal)) };
      },
      signal,
    );
    for await (const { group, outcomes } of classified)
      for (const [i, { picture, id }] of group.entries())
        yield { ...this.#predictionOf(nameOf(picture), outcomes[i]), ...(id === undefined ? {} : { id }) };
  }

  #predictionOf(image: string, outcome: Outcome): Prediction {
    if ('error' in outcome) return outcome;
    const { names, options } = this.#parts;
    const wrong = outcome.find((value) => !Number.isFinite(value));
    if (wrong === undefined) return { image, guesses: best(outcome, names, options.top ?? 5) };
    const why = 'weights or preprocessing are not its own';
    return { image, error: `${image}: the network gives ${wrong} for a probability: ${why}` };
  }

  /** Probabilities (K) of one picture, averaged over its views (N,C,H,W). */
  async probabilities(views: Tensor): Promise<Float64Array> {
    this.#mustBeOpen('Classifier.probabilities');
    const run = this.#parts.engines[0].probabilities([new Float32Array(dense(views))]);
    const each = await this.#remember(run);
    return average(each, 0, views.shape[0], each.length / views.shape[0]);
  }

  /** Starts every decoder, and has every device compute one picture and a whole batch: the first call is no slower. */
  async warmUp(): Promise<void> {
    this.#mustBeOpen('Classifier.warmUp');
    const { engines, pool, options, model, pixels } = this.#parts;
    const [channels, height, width] = model.network.input;
    const picture = { name: 'warm', pixels: { data: new Uint8Array(3 * height * width), height, width } };
    const bytes = pixels && 3 * pictureSide(pixels) ** 2;
    const black = (count: number) =>
      bytes
        ? Array.from({ length: count }, () => new Uint8Array(bytes))
        : Array.from(
            { length: count * (options.views ?? 1) },
            () => new Float32Array(channels * height * width),
          );
    const decoding = Array.from({ length: pool.threads }, () => pool.prepare([picture]));
    const computing = engines.map(async ({ probabilities }) => {
      for (const count of new Set([1, this.#batch])) await probabilities(black(count));
    });
    await this.#remember(Promise.all([...decoding, ...computing]));
  }

  async #remember<T>(work: Promise<T>): Promise<T> {
    this.#under.add(work);
    try {
      return await work;
    } finally {
      this.#under.delete(work);
    }
  }

  #check(where: string, pictures: Pictures, options: CallOptions): void {
    checkPictures(where, pictures);
    checkAgainst(callChecks, options, where);
    this.#mustBeOpen(where);
  }

  #mustBeOpen(where: string): void {
    if (this.#closing) throw new Error(`${where}: it is closed`);
  }

  /**
   * Takes nothing more, and is closed when what is under way is finished: calls of `classify`, and of each stream the
   * batches that it has begun; then a stream with more to do rejects.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#under.size > 0) await Promise.allSettled(this.#under);
    const { pool, engines } = this.#parts;
    await pool.close();
    await Promise.all(engines.map((engine) => engine.close()));
  }

  /** `close`, as `await using` does at the end of its block. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The `top` most probable classes, the first of equals first. */
export function best(probabilities: Float64Array, names: readonly string[], top: number): Guess[] {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.slice(0, top).map((k) => ({ class: k, name: names[k], probability: probabilities[k] }));
}
