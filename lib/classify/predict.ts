/** The function behind `alexnet predict`: one classifier for these pictures. `Classifier` is for many calls. */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { aborting, type Checks, called, checkAgainst } from '../checks.ts';
import type { Choice as DeviceChoice } from '../runtime/devices.ts';
import { requireWeights } from '../weights/shipped.ts';
import { Classifier, type Prediction } from './classifier.ts';
import { type ClassifyOptions, classifyChecks } from './options.ts';
import { checkPictures, listed, type OnePicture } from './pictures.ts';

export interface PredictOptions extends ClassifyOptions {
  /** Called with each line of what a reader of the predictions should know, before the first picture. */
  readonly log?: (line: string) => void;
  readonly progress?: (done: number, total: number) => void;
  /** Aborted, it ends with the predictions that are finished. */
  readonly signal?: AbortSignal;
}

export interface Predicted {
  /** The network's name. */
  readonly network: string;
  /** Where the weights come from: a file, or 'seed 0, kaiming'. */
  readonly weights: string;
  /** null where the oracle computed. */
  readonly device: DeviceChoice | null;
  /** What was done to the pictures. */
  readonly preprocess: Preprocess;
  readonly views: 1 | 10;
  /** One a picture, in order. */
  readonly predictions: readonly Prediction[];
}

const checks: Checks<PredictOptions> = {
  ...classifyChecks,
  log: called,
  progress: called,
  signal: aborting,
};

/**
 * The most probable classes of each picture. Without weights only a network whose weights are in the box will do, or a
 * seed, which says that random ones are meant. Rejects with InputError for weights, names or options that do not fit,
 * with EnvironmentError for a device or decoder that is not there; a picture that cannot be read says so in its place.
 */
export async function predict(
  pictures: OnePicture | readonly OnePicture[],
  options: PredictOptions = {},
): Promise<Predicted> {
  checkPictures('predict', pictures);
  checkAgainst(checks, options, 'predict');
  const { log = () => {}, progress, signal, ...rest } = requireWeights('predict', options);
  const classifier = await Classifier.opening(rest);
  try {
    const { model, mean, device, views } = classifier;
    for (const note of model.notes) log(note);
    if (mean) log(`mean image: ${mean.file}`);
    let total = 0;
    if (progress) for await (const _ of listed(pictures)) total++;
    const predictions: Prediction[] = [];
    for await (const prediction of classifier.stream(pictures)) {
      if (signal?.aborted) break;
      predictions.push(prediction);
      progress?.(predictions.length, total);
    }
    const { network, source: weights, preprocess } = model;
    return { network: network.name, weights, device, preprocess, views, predictions };
  } finally {
    await classifier.close();
  }
}
