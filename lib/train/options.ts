/**
 * What can be said about a training run, in code, in a JSON file (--config) and on the command line; the last
 * one wins.
 */
import { type Augmentation, augmentations } from '../../reference/input/augment.ts';
import { type Method, methods } from '../../reference/training/init.ts';
import { type Rule, rules } from '../../reference/training/optimiser.ts';
import type { Schedule } from '../../reference/training/schedule.ts';
import {
  among,
  type Check,
  type Checks,
  checkAgainst,
  least0,
  MOST_THREADS,
  number,
  positive,
  record,
  text,
  texts,
  truth,
  whole,
} from '../checks.ts';
import { readText } from '../disk/source.ts';
import { InputError } from '../errors.ts';
import { type DeviceWord, deviceWord } from '../runtime/devices.ts';

/** Epochs in which the rate rises: one, or a tenth of all where they are few. */
const warmUpOf = (epochs: number): number => Math.min(1, epochs / 10);

/**
 * What --schedule stands for, from ε and the number of epochs. plateau: the paper's, divided by 10 after three epochs
 * without improvement, three times. step: by 10 at each third of the epochs. cosine: half of one, down to 0. Both
 * plateau and cosine begin with a warm-up. as-logged: configuration 145.
 */
const schedules = {
  constant: (rate: number) => ({ kind: 'constant', rate }),
  plateau: (rate: number, epochs: number) => ({
    kind: 'plateau',
    rate,
    divisor: 10,
    patience: 3,
    drops: 3,
    warmUp: warmUpOf(epochs),
  }),
  step: (rate: number, epochs: number) => ({
    kind: 'step',
    rate,
    divisor: 10,
    every: Math.ceil(epochs / 3),
    total: epochs,
    unit: 'epoch',
  }),
  cosine: (rate: number, epochs: number) => ({
    kind: 'cosine',
    rate,
    warmUp: warmUpOf(epochs),
    total: epochs,
  }),
  'as-logged': () => ({ kind: 'logged', run: '2012' }),
} as const satisfies Record<string, (rate: number, epochs: number) => Schedule>;
type ScheduleName = keyof typeof schedules;
export const scheduleNames = Object.keys(schedules) as ScheduleName[];

export const scheduleOf = (asked: ScheduleName | Schedule, rate: number, epochs: number): Schedule =>
  typeof asked === 'object' ? asked : schedules[asked](rate, epochs);

/** A picture's way into training: see reference/input/augment.ts; `pad` adds a border of the mean colour first. */
export type Distortion = Omit<Augmentation, 'crop'> & { readonly pad: number };

const standard: Distortion = { offsets: 'all', mirror: true, chunk: 1, lighting: 'root', pad: 0 };
const withoutCrop = ({ crop: _, ...how }: Augmentation): Distortion => ({ ...how, pad: 0 });

/**
 * What --augment stands for. none: the centre. standard: crops anywhere, mirrors, √λ lighting. cifar: the same, with
 * a border of two pixels. paper, as-run, caffe: reference/input/augment.ts.
 */
const distortions = {
  none: null,
  standard,
  cifar: { ...standard, pad: 2 },
  paper: withoutCrop(augmentations.paper),
  'as-run': withoutCrop(augmentations['as-run']),
  caffe: withoutCrop(augmentations.caffe),
} as const satisfies Record<string, Distortion | null>;
type AugmentName = keyof typeof distortions;
export const augmentNames = Object.keys(distortions) as AugmentName[];

/** `format`: the data set's. Digits are neither mirrored nor lighted, unless that is asked for in full. */
export function distortionOf(asked: AugmentName | Distortion, format: string): Distortion | null {
  if (typeof asked === 'object') return asked;
  const digits = format === 'MNIST' && (asked === 'standard' || asked === 'cifar');
  return digits ? { ...distortions[asked], mirror: false, lighting: 'none' } : distortions[asked];
}

/** What lib/train/recipe.ts tells of. */
export const recipeNames = ['paper'] as const;

export interface TrainOptions {
  /** CIFAR-10 (binary), MNIST (IDX), or folders of pictures. */
  readonly data: string;
  /** A network's name, or 'auto' (default): a small one sized to the data. */
  readonly network?: string;
  /** Factor on the widths of all layers but the last; default 1. */
  readonly width?: number;
  /** Weights to begin with; with another number of classes the last layer begins anew. */
  readonly weights?: string;
  /** Layers that stay as they are. */
  readonly freeze?: readonly string[];
  /** Factors on the learning rate, by layer; default: 10 for a last layer that begins anew among learned ones. */
  readonly layerRates?: Readonly<Record<string, number>>;
  /** Default 90, the paper's; a schedule may end before. */
  readonly epochs?: number;
  /** Everything as a source had it, but for what is said beside; default: what suits the data. */
  readonly recipe?: (typeof recipeNames)[number];
  /** Images per step, at most as many as there are; default: twenty steps an epoch, but at most 128. */
  readonly batch?: number;
  /** ε, default 0.01·√(batch/128), a tenth of it with `weights`. */
  readonly learningRate?: number;
  /** µ, default 0.9. */
  readonly momentum?: number;
  /** λ, default 0.0005. */
  readonly weightDecay?: number;
  /** Whether biases decay too; default: what the rule says (reference/training/optimiser.ts). */
  readonly biasDecay?: boolean;
  /** Whose form of the update; default 'paper'. */
  readonly update?: Rule;
  /** A name, or a schedule in full (reference/training/schedule.ts); default 'plateau'. */
  readonly schedule?: ScheduleName | Schedule;
  /** Whether a net that begins at random gets raw pixels divided by their deviation; default true. */
  readonly scale?: boolean;
  /** A name, or a distortion in full; default 'standard'. */
  readonly augment?: AugmentName | Distortion;
  /** Default true. */
  readonly dropout?: boolean;
  /** How random weights begin; default 'kaiming'. */
  readonly init?: Method;
  /** Standard deviation of the last layer's first weights; default: 0.01 with kaiming, else what `init` says. */
  readonly lastDeviation?: number;
  /** Of everything random; default 0. */
  readonly seed?: number;
  /** This many training images, spread evenly; default all. */
  readonly images?: number;
  /** This many validation images, spread evenly; default all. */
  readonly validationImages?: number;
  /**
   * Epochs from one validation to the next, default 1; the last of `epochs` has one too, unless the schedule
   * ends before.
   */
  readonly validateEvery?: number;
  readonly device?: DeviceWord;
  /** Ends at the first picture that cannot be read; default: such are skipped. */
  readonly strict?: boolean;
  /** Threads that decode and distort; default: all cores but one. */
  readonly threads?: number;
  /** Folder for checkpoints, logs and curves; default 'training'. */
  readonly out?: string;
  /** Go on from the checkpoint in `out`, if there is one. */
  readonly resume?: boolean;
  /** Steps between checkpoints; default: one after each epoch. */
  readonly checkpointEvery?: number;
}

/** Keys that say where and how, and not what is trained: they may change when a run is resumed. */
export const circumstances = [
  'data',
  'device',
  'threads',
  'out',
  'resume',
  'checkpointEvery',
  'strict',
] as const;

const scheduleKinds: Record<Schedule['kind'], Check> = {
  constant: record({ kind: text, rate: positive }),
  plateau: (value) => {
    const rise: Record<string, Check> = Object.hasOwn(value as object, 'warmUp') ? { warmUp: least0 } : {};
    const fields = { rate: positive, divisor: positive, patience: whole(1), drops: whole(0) };
    return record({ kind: text, ...fields, ...rise })(value);
  },
  logged: record({ kind: text, run: among(['2012', '2010']) }),
  step: record({
    kind: text,
    rate: positive,
    divisor: positive,
    every: whole(1),
    total: whole(1),
    unit: among(['iteration', 'epoch']),
  }),
  cosine: record({ kind: text, rate: positive, warmUp: least0, total: positive }),
};
const schedule: Check = (value) => {
  if (typeof value === 'string') return among(scheduleNames)(value);
  const { kind } = (value ?? {}) as { kind?: string };
  if (!Object.hasOwn(scheduleKinds, kind ?? ''))
    return `a name or an object with kind ${Object.keys(scheduleKinds)}`;
  return scheduleKinds[kind as Schedule['kind']](value);
};
const layerRates: Check = (value) =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((rate) => least0(rate) === undefined)
    ? undefined
    : 'an object with a factor of at least 0 a layer';
const distortion = record({
  offsets: among(['all', 'paper']),
  mirror: truth,
  chunk: number('1 or 32', (v) => v === 1 || v === 32),
  lighting: among(['none', 'paper', 'root', 'as-run']),
  pad: number('an integer from 0 to 64', (v) => Number.isInteger(v) && v >= 0 && v <= 64),
});

export const optionChecks: Checks<TrainOptions> = {
  data: text,
  network: text,
  width: number('above 0, at most 4', (v) => v > 0 && v <= 4),
  weights: text,
  freeze: texts,
  layerRates,
  recipe: among(recipeNames),
  scale: truth,
  epochs: whole(1),
  batch: whole(1),
  learningRate: positive,
  momentum: number('at least 0 and below 1', (v) => v >= 0 && v < 1),
  weightDecay: least0,
  biasDecay: truth,
  update: among(rules),
  schedule,
  augment: (value) => (typeof value === 'string' ? among(augmentNames)(value) : distortion(value)),
  dropout: truth,
  init: among(methods),
  lastDeviation: positive,
  seed: whole(0),
  images: whole(1),
  validationImages: whole(1),
  validateEvery: whole(1),
  device: deviceWord,
  strict: truth,
  threads: whole(1, MOST_THREADS),
  out: text,
  resume: truth,
  checkpointEvery: whole(1),
};

/** Throws InputError, beginning with `where`, at the first option that is wrong. */
export const checkOptions = (options: object, where = 'train'): void =>
  checkAgainst(optionChecks, options, where);

/** The options in a JSON file; '$'-keys and 'about' are for readers. Rejects with InputError naming the file. */
export async function readConfig(path: string): Promise<Partial<TrainOptions>> {
  const source = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (error) {
    throw new InputError(`${path}: no valid JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InputError(`${path}: it must hold an object of options`);
  const { about, ...options } = value as Record<string, unknown>;
  checkOptions(options, path);
  return options;
}
