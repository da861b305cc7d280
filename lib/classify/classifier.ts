/** Classifies pictures: one session, reused, behind `alexnet predict` and for other people's programs. */
/// <reference lib="esnext.disposable" preserve="true" />

import type { Preprocess } from '../../reference/input/preprocess.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import {
  among,
  bytes,
  type Checks,
  checkAgainst,
  checkArgument,
  either,
  MOST_THREADS,
  text,
  thing,
  whole,
} from '../checks.ts';
import type { Picture } from '../data/dataset.ts';
import { openPool, type Pool } from '../data/pool.ts';
import type { Decoder } from '../image/decode.ts';
import { eachPicture } from '../image/load.ts';
import { findMean, type Mean } from '../image/mean.ts';
import { type Choice, type Chosen, choiceChecks, resolve } from '../networks/resolve.ts';
import type { Choice as DeviceChoice } from '../runtime/devices.ts';
import { inOrder } from '../runtime/threads.ts';
import { readPreprocess } from '../weights/preprocess.ts';
import { requireWeights } from '../weights/shipped.ts';
import { classNamesOf, type Engine, type EngineOptions, engineChecks, openEngine } from './engine.ts';
import {
  average,
  batchFor,
  type Failure,
  inGroups,
  nameOf,
  openPipeline,
  type Pipeline,
} from './pipeline.ts';

export interface ClassifierOptions extends Choice, EngineOptions {
  /** 1: the centre; 10: corners, centre and their mirrors, probabilities averaged (paper, section 4.1). */
  readonly views?: 1 | 10;
  /** How many classes to name; default 5. */
  readonly top?: number;
  /** File with one class name a line; default: those that came with the weights, else ImageNet's for 1000 classes. */
  readonly classNames?: string;
  /** File of a mean image; default: mean.npy beside the weights, where the preprocessing takes one. */
  readonly mean?: string;
  /** In place of the file's or the network's: another network's by its name, a JSON file of it, or itself. */
  readonly preprocess?: Preprocess | string;
  /** Who decodes pictures; default jpeg-js. sharp must be installed. */
  readonly decoder?: Decoder;
  /** Samples that the scans of a JPEG may visit, in thousands of millions; default 2. */
  readonly scanBudget?: number;
  /** Threads that decode; default: one per core, at most 16; 0: the caller's. */
  readonly threads?: number;
  /** Most pictures a run; default: 128 small ones, else 32 on a GPU, 4 on the CPU; fewer with ten views. */
  readonly maxBatch?: number;
}

export const classifierChecks: Checks<ClassifierOptions> = {
  ...choiceChecks,
  ...engineChecks,
  views: among([1, 10]),
  top: whole(1),
  classNames: text,
  mean: text,
  preprocess: either("a network's name, a JSON file, or a preprocessing", text, thing('')),
  decoder: among(['jpeg-js', 'sharp']),
  scanBudget: whole(1),
  threads: whole(0, MOST_THREADS),
  maxBatch: whole(1),
};

/** A file, a folder (all pictures in it), a file's bytes, or several of these. */
export type Pictures = string | Uint8Array | readonly (string | Uint8Array)[];

/** Throws InputError for what is none of these. */
export function checkPictures(where: string, pictures: unknown): void {
  const one = "a file, a folder or a file's bytes";
  const picture = either(one, text, bytes);
  checkArgument(
    `${where}: pictures`,
    pictures,
    either(`${one}, or a list of them`, picture, Array.isArray(pictures) ? () => undefined : picture),
  );
  if (!Array.isArray(pictures)) return;
  for (const [i, value] of pictures.entries()) checkArgument(`${where}: picture ${i + 1}`, value, picture);
}

export interface Guess {
  /** Class number, from 0. */
  readonly class: number;
  readonly name: string;
  /** Probability, 0 to 1. */
  readonly probability: number;
}

/** The most probable classes, or why the picture could not be read. */
export type Prediction =
  | { readonly image: string; readonly guesses: readonly Guess[]; readonly error?: undefined }
  | { readonly image: string; readonly error: string; readonly guesses?: undefined };

export class Classifier implements AsyncDisposable {
  readonly model: Chosen;
  /** The mean image that is subtracted, and its file. */
  readonly mean: Mean | null;
  /** null where the oracle computes. */
  readonly device: DeviceChoice | null;
  readonly #engine: Engine;
  readonly #pool: Pool;
  readonly #pipeline: Pipeline;
  readonly #names: readonly string[];
  readonly #batch: number;
  readonly #top: number;

  private constructor(
    model: Chosen,
    names: readonly string[],
    engine: Engine,
    pool: Pool,
    mean: Mean | null,
    options: ClassifierOptions,
  ) {
    const { views = 1, top = 5 } = options;
    this.model = model;
    this.mean = mean;
    this.device = engine.device;
    this.#engine = engine;
    this.#names = names;
    this.#top = top;
    this.#batch = options.maxBatch ?? batchFor(model.network, engine.device, views);
    this.#pool = pool;
    this.#pipeline = openPipeline(model.network, engine, pool, { batch: this.#batch, views });
  }

  /**
   * Without weights: those in the box for that network (cifar-alexnet); random ones need a seed. Throws InputError for
   * weights or names that do not fit, EnvironmentError for a device that does not work.
   */
  static async open(given: ClassifierOptions = {}): Promise<Classifier> {
    checkAgainst(classifierChecks, given, 'Classifier.open');
    const options = requireWeights('Classifier.open', given);
    const wanted = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
    const chosen = await resolve(options);
    const model = { ...chosen, preprocess: wanted ?? chosen.preprocess };
    const file = typeof options.weights === 'string' ? options.weights : undefined;
    const mean = await findMean(model.preprocess, options.mean, file);
    const names = await classNamesOf(model, options.classNames);
    const { views = 1, decoder, scanBudget, threads } = options;
    const recipe = { preprocess: model.preprocess, views, meanImage: mean?.image, decoder, scanBudget };
    // its first thread starts while the engine does
    const pool = openPool({ form: 'input', ...recipe }, { threads });
    try {
      return new Classifier(model, names, await openEngine(model, options), pool, mean, options);
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * One prediction a picture, in order. One that cannot be read does not stop the others. Rejects with InputError for
   * what is not a picture at all.
   */
  async classify(pictures: Pictures): Promise<Prediction[]> {
    const predictions: Prediction[] = [];
    for await (const prediction of this.stream(pictures)) predictions.push(prediction);
    return predictions;
  }

  /** The same, one after the other as they are made: a few batches are under way, however many pictures there are. */
  async *stream(pictures: Pictures): AsyncGenerator<Prediction> {
    checkPictures('Classifier', pictures);
    const { ahead } = this.#pipeline;
    const groups = inGroups(listed(pictures), this.#batch);
    const batches = inOrder(groups, ahead, async (group) => ({
      group,
      outcomes: await this.#pipeline.classify(group),
    }));
    for await (const { group, outcomes } of batches) {
      for (const [i, outcome] of outcomes.entries()) {
        if ('error' in outcome) yield outcome;
        else yield predictionOf(nameOf(group[i]), outcome, this.#names, this.#top);
      }
    }
  }

  /** Probabilities (K) of one picture, averaged over its views (N,C,H,W). */
  async probabilities(views: Tensor): Promise<Float64Array> {
    const each = await this.#engine.probabilities([Float32Array.from(dense(views))]);
    return average(each, 0, views.shape[0], each.length / views.shape[0]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
    await this.#engine.close();
  }

  /** The same as `await using` does at the end of its block. */
  close(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }
}

/** Where the pictures are. Bytes are called 'the picture', or 'picture 3' where several things are given. */
export async function* listed(pictures: Pictures): AsyncGenerator<Picture | Failure> {
  const given = typeof pictures === 'string' || pictures instanceof Uint8Array ? [pictures] : pictures;
  for (const [i, one] of given.entries()) {
    if (typeof one !== 'string')
      yield { name: given.length === 1 ? 'the picture' : `picture ${i + 1}`, bytes: one };
    else
      for await (const { path, ...rest } of eachPicture([one]))
        yield 'file' in rest ? { name: path, file: rest.file } : { image: path, error: rest.message };
  }
}

function predictionOf(image: string, p: Float64Array, names: readonly string[], top: number): Prediction {
  const wrong = p.find((value) => !Number.isFinite(value));
  if (wrong === undefined) return { image, guesses: best(p, names, top) };
  const error = `${image}: the network gives ${wrong} for a probability: weights or preprocessing are not its own`;
  return { image, error };
}

/** The `top` most probable classes, the first of equals first. */
export function best(probabilities: Float64Array, names: readonly string[], top: number): Guess[] {
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.slice(0, top).map((k) => ({ class: k, name: names[k], probability: probabilities[k] }));
}
