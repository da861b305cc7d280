/**
 * Learning rates over time, as the sources had them. A schedule and its state are plain data (JSON keeps both).
 * Nothing here counts: the caller says how many iterations are done and reports the validation error after each
 * epoch.
 *
 * plateau   section 5: "divide the learning rate by 10 when the validation error rate stopped improving"; "reduced
 *           three times prior to termination". The paper does not say how long to wait: `patience`. Nor has it a
 *           warm-up; 'One weird trick' (Krizhevsky 2014) and large batches made that usual.
 * logged    the epochs written in the released source's logs, configuration 145 (2012) and 145-2010: ε and the
 *           biases' own rate, conv1 slower and then frozen, the colour noise off for the last 24 epochs.
 * step      divided every few iterations (Caffe: 100,000 of 450,000) or epochs (torchvision: 30 of 90).
 * cosine    a linear warm-up, then half a cosine down to 0.
 * constant  the same rate throughout.
 */
import { cosPi } from '../math.ts';
import type { Factor } from './optimiser.ts';

export type Schedule =
  | { readonly kind: 'constant'; readonly rate: number }
  | {
      readonly kind: 'plateau';
      readonly rate: number;
      readonly divisor: number;
      /** Epochs without improvement before the rate is divided. */
      readonly patience: number;
      /** How often it is divided; training ends at the plateau after that. */
      readonly drops: number;
      /** In epochs; default 0. */
      readonly warmUp?: number;
    }
  | { readonly kind: 'logged'; readonly run: '2012' | '2010' }
  | {
      readonly kind: 'step';
      readonly rate: number;
      readonly divisor: number;
      readonly every: number;
      readonly total: number;
      readonly unit: 'iteration' | 'epoch';
    }
  | {
      readonly kind: 'cosine';
      readonly rate: number;
      /** In epochs. */
      readonly warmUp: number;
      readonly total: number;
    };

/** The sources' own. cifar: the recipe of the small AlexNet for 32×32 images. */
export const schedules = {
  paper: { kind: 'plateau', rate: 0.01, divisor: 10, patience: 3, drops: 3 },
  'as-run': { kind: 'logged', run: '2012' },
  'as-run-2010': { kind: 'logged', run: '2010' },
  caffe: { kind: 'step', rate: 0.01, divisor: 10, every: 100_000, total: 450_000, unit: 'iteration' },
  torchvision: { kind: 'step', rate: 0.01, divisor: 10, every: 30, total: 90, unit: 'epoch' },
  cifar: { kind: 'cosine', rate: 0.04, warmUp: 1, total: 60 },
} as const satisfies Record<string, Schedule>;

/** What a schedule remembers; only plateau changes it. */
export interface ScheduleState {
  /** Lowest validation error so far; null before the first. */
  readonly best: number | null;
  /** Epochs since then, or since the last drop. */
  readonly stalled: number;
  readonly drops: number;
  readonly finished: boolean;
}

export const scheduleStart: ScheduleState = { best: null, stalled: 0, drops: 0, finished: false };

/** What holds at one iteration. */
export interface ScheduleSettings {
  /** ε of the weights. */
  readonly learningRate: number;
  /** ε of the biases, where it is not a multiple of the weights'. */
  readonly biasRate?: number;
  /** Layers with rates of their own; 0: frozen, biases too. */
  readonly layers?: Readonly<Record<string, number>>;
  /** Whether the colours of training images are varied (section 4.1). */
  readonly lighting: boolean;
  readonly finished: boolean;
}

/** The settings for iteration number `iteration` (from 0) of epochs of `perEpoch` iterations. */
export function settingsAt(
  schedule: Schedule,
  state: ScheduleState,
  iteration: number,
  perEpoch: number,
): ScheduleSettings {
  if (!(iteration >= 0) || !(perEpoch >= 1)) {
    throw new RangeError(
      `schedule: iteration must be at least 0, perEpoch at least 1 (= ${iteration}, ${perEpoch})`,
    );
  }
  const epoch = iteration / perEpoch;
  const ever = (learningRate: number, finished: boolean): ScheduleSettings => ({
    learningRate,
    lighting: true,
    finished,
  });
  // the first iteration already moves: (i + 1) of the warm-up's iterations
  const rising = (rate: number, warmUp: number) => (rate * (iteration + 1)) / Math.ceil(warmUp * perEpoch);
  switch (schedule.kind) {
    case 'constant':
      return ever(schedule.rate, false);
    case 'plateau':
      if (epoch < (schedule.warmUp ?? 0)) return ever(rising(schedule.rate, schedule.warmUp!), false);
      return ever(schedule.rate / power(schedule.divisor, state.drops), state.finished);
    case 'logged':
      return loggedAt(schedule.run, Math.floor(epoch));
    case 'step': {
      const time = schedule.unit === 'iteration' ? iteration : Math.floor(epoch);
      const drops = Math.floor(time / schedule.every);
      return ever(schedule.rate / power(schedule.divisor, drops), time >= schedule.total);
    }
    case 'cosine': {
      const { rate, warmUp, total } = schedule;
      if (epoch >= total) return ever(0, true);
      if (epoch < warmUp) return ever(rising(rate, warmUp), false);
      return ever((rate * (1 + cosPi((epoch - warmUp) / (total - warmUp)))) / 2, false);
    }
  }
}

/** base^n for small integers n: exact for base 10 up to n = 22. */
function power(base: number, n: number): number {
  let result = 1;
  for (let i = 0; i < n; i++) result *= base;
  return result;
}

/** From which epoch on: ε; ε / 10; ε / 100; conv1 slower and no colour noise; conv1 frozen; ε / 1000; the end. */
const epochs = { '2012': [25, 51, 67, 72, 79, 91], '2010': [23, 51, 68, 72, 78, 93] } as const;

function loggedAt(run: '2012' | '2010', epoch: number): ScheduleSettings {
  const [tenth, hundredth, slower, frozen, thousandth, end] = epochs[run];
  const learningRate =
    epoch < tenth ? 0.01 : epoch < hundredth ? 0.001 : epoch < thousandth ? 0.0001 : 0.00001;
  return {
    learningRate,
    biasRate: 0.02,
    layers: epoch < slower ? {} : { conv1: epoch < frozen ? 0.00001 : 0 },
    lighting: epoch < slower,
    finished: epoch >= end,
  };
}

/** The state after an epoch that ended with this validation error. NaN does not improve it. */
export function observe(schedule: Schedule, state: ScheduleState, error: number): ScheduleState {
  if (schedule.kind !== 'plateau' || state.finished) return state;
  if (!Number.isNaN(error) && (state.best === null || error < state.best)) {
    return { ...state, best: error, stalled: 0 };
  }
  const stalled = state.stalled + 1;
  if (stalled < schedule.patience) return { ...state, stalled };
  if (state.drops >= schedule.drops) return { ...state, stalled, finished: true };
  return { ...state, stalled: 0, drops: state.drops + 1 };
}

/**
 * The factors by which optimiser.ts multiplies `settings.learningRate` for these parameters, where the
 * schedule sets rates of its own; `base` is what the rule says without it. Biases with a rate of their own
 * keep it, unless the layer is frozen.
 */
export function factorsFor(
  settings: ScheduleSettings,
  parameters: Iterable<string>,
  base: (parameter: string) => Factor,
): Map<string, Factor> {
  const { learningRate, biasRate, layers = {} } = settings;
  const factors = new Map<string, Factor>();
  for (const parameter of parameters) {
    const { rate, decay } = base(parameter);
    const layer = parameter.slice(0, parameter.lastIndexOf('.'));
    const own = layers[layer];
    if (own === 0 || learningRate === 0) factors.set(parameter, { rate: 0, decay });
    else if (biasRate !== undefined && parameter.endsWith('.bias')) {
      factors.set(parameter, { rate: biasRate / learningRate, decay });
    } else factors.set(parameter, { rate: own === undefined ? rate : (rate * own) / learningRate, decay });
  }
  return factors;
}
