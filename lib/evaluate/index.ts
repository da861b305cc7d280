/**
 * How good a network is on a data set: top-1, top-k, loss and confusions, over one view of each picture or
 * several.
 */
import { performance } from 'node:perf_hooks';
import { type Preprocess, preprocess, type Views } from '../../reference/input/preprocess.ts';
import {
  aborting,
  among,
  type Checks,
  called,
  checkAgainst,
  checkArgument,
  either,
  MOST_THREADS,
  text,
  thing,
  whole,
} from '../checks.ts';
import {
  classNamesOf,
  type EngineOptions,
  engineChecks,
  opened,
  pixelsFor,
  startEngines,
} from '../classify/engine.ts';
import { batchFor, type Failure, inGroups, openPipeline } from '../classify/pipeline.ts';
import { type Dataset, type Picture, type Split, type SplitName, thinned } from '../data/dataset.ts';
import { chooseSplit, openDataset } from '../data/open.ts';
import { openPool } from '../data/pool.ts';
import { InputError } from '../errors.ts';
import type { Decoder } from '../image/decode.ts';
import { findMean, type Mean } from '../image/mean.ts';
import { readPreprocess } from '../networks/preprocess.ts';
import { type Choice, type Chosen, choiceChecks, resolve } from '../networks/resolve.ts';
import type { Choice as DeviceChoice } from '../runtime/devices.ts';
import { inOrder } from '../runtime/threads.ts';
import { requireWeights } from '../weights/shipped.ts';
import { type Matching, matchClasses } from './labels.ts';
import {
  type Confusion,
  type Counter,
  confusions,
  counter,
  type Share,
  type Tally,
  wilson,
} from './tally.ts';

export type { Confusion, Share } from './tally.ts';

export interface EvaluateOptions extends Choice, EngineOptions {
  /** CIFAR-10 (binary), MNIST (IDX), or folders of pictures. */
  readonly data: string;
  /** Default: the first of val, test, all, train that there is. */
  readonly split?: SplitName;
  /**
   * 1: the centre; 'mirror': it and its mirror image; 10: see section 4.1. Their probabilities are averaged. Default:
   * as the file of the weights takes pictures, else 1.
   */
  readonly views?: 1 | 'mirror' | 10;
  /** File of a mean image; default: mean.npy beside the weights, where the preprocessing takes one. */
  readonly mean?: string;
  /** In place of the file's or the network's own: another network's by its name, a JSON file of it, or itself. */
  readonly preprocess?: Preprocess | string;
  /** Pictures a run of the network; default: 128 small ones, else 32 on a GPU, 4 on the CPU; fewer with many views. */
  readonly batch?: number;
  /** That many pictures, spread evenly over the split. */
  readonly limit?: number;
  /** k of the top-k share; default 5, at most the number of classes. */
  readonly top?: number;
  /** File with the network's class names, one a line. */
  readonly classNames?: string;
  readonly decoder?: Decoder;
  /** Threads that decode. */
  readonly threads?: number;
  /** What is chosen, one line each, before the work begins. */
  readonly log?: (line: string) => void;
  readonly progress?: (done: number, total: number) => void;
  /** Aborted, it ends with the pictures that are finished; InputError where there is none. */
  readonly signal?: AbortSignal;
}

const checks: Checks<EvaluateOptions> = {
  ...choiceChecks,
  ...engineChecks,
  data: text,
  split: among(['train', 'val', 'test', 'all']),
  views: among([1, 'mirror', 10]),
  mean: text,
  preprocess: either("a network's name, a JSON file, or a preprocessing", text, thing('')),
  batch: whole(1),
  limit: whole(1),
  top: whole(1),
  classNames: text,
  decoder: among(['jpeg-js', 'sharp']),
  threads: whole(1, MOST_THREADS),
  log: called,
  progress: called,
  signal: aborting,
};

/** A picture that was taken for another class, in the network's numbers, and the probability of that. */
export interface Mistake {
  readonly picture: Picture;
  readonly truth: number;
  readonly predicted: number;
  readonly probability: number;
}

export interface Evaluation {
  readonly data: {
    readonly path: string;
    readonly format: string;
    readonly split: SplitName;
    /** In the split. */
    readonly pictures: number;
  };
  readonly network: string;
  readonly weights: string;
  readonly random: boolean;
  /** null where the oracle computed. */
  readonly device: DeviceChoice | null;
  readonly views: Views;
  readonly mean: string | null;
  /** How the data's classes were found among the network's. */
  readonly matched: Matching['by'];
  /** The network's classes. */
  readonly names: readonly string[];
  /** Pictures that were classified. */
  readonly count: number;
  readonly failures: readonly Failure[];
  readonly top1: Share;
  readonly topK: Share & { readonly k: number };
  /** Mean of −ln p(truth); p is at least 2⁻¹²⁶. */
  readonly loss: number;
  /** By class of the data, in its order; `class` is the network's number. */
  readonly classes: readonly (Share & { readonly class: number; readonly name: string })[];
  /** Network's classes; the pairs that occurred. */
  readonly confusion: readonly Confusion[];
  /** Pictures that were wrong, most confident first; at most 60 of them. */
  readonly mistakes: readonly Mistake[];
  readonly timing: {
    readonly seconds: number;
    readonly picturesPerSecond: number;
    /** Share of the time in which the device waited for pictures. */
    readonly waited: number;
  };
}

/**
 * Evaluates; without weights, with those in the box for that network (cifar-alexnet). Rejects with
 * InputError, in one line, for data, weights or options that do not fit each other, and if no picture could be
 * read; with EnvironmentError for a device or decoder that is not there.
 */
export async function evaluate(given: EvaluateOptions): Promise<Evaluation> {
  checkAgainst(checks, given, 'evaluate');
  checkArgument('evaluate: data', given.data, text);
  const options = requireWeights('evaluate', given);
  const wanted = options.preprocess === undefined ? undefined : await readPreprocess(options.preprocess);
  const data = await openDataset(options.data);
  try {
    const split = chooseSplit(data, options.split);
    const chosen = await resolve(options);
    const model = { ...chosen, preprocess: wanted ?? chosen.preprocess };
    const matching = matchClasses(data.path, data.classes, await classNamesOf(model, options.classNames));
    const weights = typeof options.weights === 'string' ? options.weights : undefined;
    const mean = await findMean(model.preprocess, options.mean, weights);
    const views: Views = options.views === 'mirror' ? 2 : (options.views ?? model.views ?? 1);
    rehearse(data, model, mean, views);
    for (const line of model.notes) options.log?.(line);
    if (mean) options.log?.(`mean image: ${mean.file}`);
    if (matching.by !== 'name') options.log?.(`classes are matched by ${matching.by}`);
    return await compute(data, split, model, matching, mean, views, options);
  } finally {
    data.close();
  }
}

/** Puts a black picture through the preprocessing: what cannot go fails before any work is done. */
function rehearse(
  data: Dataset,
  { network, preprocess: spec }: Chosen,
  mean: Mean | null,
  views: Views,
): void {
  const { mode, size } = spec.resize;
  const [width, height] = data.size ?? (mode === 'none' ? [size, size] : [400, 300]);
  try {
    const black = { width, height, data: new Uint8Array(3 * width * height) };
    const { shape } = preprocess(black, spec, { views, meanImage: mean?.image });
    if (shape.slice(1).join() === network.input.join()) return;
    throw new Error(`preprocess: it makes [${shape.slice(1)}], but ${network.name} takes [${network.input}]`);
  } catch (error) {
    throw new InputError(`${data.path}: ${(error as Error).message} (--preprocess FILE.json changes it)`);
  }
}

async function compute(
  data: Dataset,
  split: Split,
  model: Chosen,
  matching: Matching,
  mean: Mean | null,
  views: Views,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { network } = model;
  const K = matching.names.length;
  const k = Math.min(options.top ?? 5, K);
  const shown = thinned(split, options.limit);
  const total = shown.count;
  const { threads, decoder } = options;
  const recipe = { preprocess: model.preprocess, views, decoder, meanImage: mean?.image };
  const pixels = pixelsFor(model, { views, mean, engine: options.engine });
  await using pool = openPool({ form: pixels ? 'picture' : 'input', ...recipe }, { threads });
  const engines = await startEngines({ ...model, pixels }, options);
  await opened(engines);
  const [{ device }] = engines;
  try {
    const { batch = batchFor(network, device, views) } = options;
    const pipeline = openPipeline(network, engines, pool, { maxBatch: batch, views, pixels });
    const { add, tally } = counter(K, k);
    const mistakes: Mistake[] = [];
    const failures: Failure[] = [];
    const started = performance.now();
    const classified = inOrder(inGroups(examples(shown), batch), pipeline.ahead, async (group) => ({
      group,
      outcomes: await pipeline.classify(group.map(({ picture }) => picture)),
    }));
    for await (const { group, outcomes } of classified) {
      if (options.signal?.aborted) break;
      for (const [n, outcome] of outcomes.entries()) {
        if ('error' in outcome) failures.push(outcome);
        else noteMistake(mistakes, addPicture(add, outcome, matching.to[group[n].label], group[n].picture));
      }
      options.progress?.(tally.count + failures.length, total);
    }
    const seconds = (performance.now() - started) / 1000;
    if (tally.count === 0) {
      const why =
        failures.length > 0 ? `${failures[0].error} (no picture could be read)` : 'no picture is finished';
      throw new InputError(why);
    }
    const busy = engines.reduce((sum, engine) => sum + engine.busy() / 1000 / engines.length, 0);
    const timing = {
      seconds,
      picturesPerSecond: tally.count / seconds,
      waited: Math.max(0, 1 - busy / seconds),
    };
    return {
      data: { path: data.path, format: data.format, split: split.name, pictures: split.count },
      network: network.name,
      weights: model.source,
      random: model.random,
      device,
      views,
      mean: mean?.file ?? null,
      ...summary(tally, data.classes, matching, k),
      failures,
      mistakes,
      timing,
    };
  } finally {
    for (const engine of engines) await engine.close();
  }
}

function* examples(split: Split): Generator<{ readonly picture: Picture; readonly label: number }> {
  for (let i = 0; i < split.count; i++) yield { picture: split.picture(i), label: split.label(i) };
}

function addPicture(
  add: Counter['add'],
  probabilities: Float64Array,
  truth: number,
  picture: Picture,
): Mistake {
  try {
    const predicted = add(probabilities, truth);
    return { picture, truth, predicted, probability: probabilities[predicted] };
  } catch (error) {
    throw new InputError(
      `${picture.name}: ${(error as Error).message}: weights or preprocessing are not this network's`,
    );
  }
}

/** More on a page nobody looks at. */
const MOST_MISTAKES = 60;

/** Keeps what is wrong in order; of equally confident ones the first come first. */
function noteMistake(mistakes: Mistake[], one: Mistake): void {
  if (one.truth === one.predicted) return;
  const at = mistakes.findIndex(({ probability }) => probability < one.probability);
  mistakes.splice(at < 0 ? mistakes.length : at, 0, one);
  mistakes.length = Math.min(mistakes.length, MOST_MISTAKES);
}

function summary(tally: Tally, classes: readonly string[], { to, names, by }: Matching, k: number) {
  const confusion = confusions(tally, names.length);
  const byClass = classes.map((name, label) => {
    const own = confusion.filter(({ truth }) => truth === to[label]);
    const right = own.find(({ truth, predicted }) => truth === predicted)?.count ?? 0;
    const count = own.reduce((sum, pair) => sum + pair.count, 0);
    return { class: to[label], name, ...wilson(right, count) };
  });
  return {
    matched: by,
    names,
    count: tally.count,
    top1: wilson(tally.top1, tally.count),
    topK: { k, ...wilson(tally.topK, tally.count) },
    loss: tally.loss / tally.count,
    classes: byClass,
    confusion,
  };
}
