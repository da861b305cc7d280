/** The options of `verify`: the command's own words. */
import { type LrnForm, lrnForms } from '../../export/index.ts';
import type { Precision } from '../../reference/tensor.ts';
import type { Masks } from '../../reference/training/gradient.ts';
import { type Rule, rules } from '../../reference/training/optimiser.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import {
  among,
  type Checks,
  called,
  either,
  listOf,
  number,
  numberList,
  tensorLike,
  text,
  texts,
  thing,
  truth,
  whole,
} from '../checks.ts';
import type { Given } from '../networks/input.ts';
import { type Choice, choiceChecks } from '../networks/resolve.ts';
import {
  DEVICE_WORDS,
  type Choice as DeviceChoice,
  type DeviceWord,
  deviceWord,
} from '../runtime/devices.ts';
import type { MapOrder } from './dump/place.ts';
import type { Level } from './provider.ts';

/** How values are computed and judged, whatever is verified. */
export interface JudgeOptions {
  /** Arithmetic that every product must have; default float32, float16 for a float16 file. */
  readonly require?: Requirement;
  /** Storage of the oracle's own chain; default float32. */
  readonly precision?: Precision;
  /** Throw EnvironmentError where a value was computed elsewhere. */
  readonly strictDevice?: boolean;
  /** Runs of each kind; the later ones are compared with the first bit by bit; default 1. */
  readonly repeat?: number;
  /** Levels of graph optimisation besides none; default all. */
  readonly levels?: readonly Level[];
}

/** The same on a device's GPU of that number. */
export type JudgeSettings = JudgeOptions & { readonly gpu?: number };

/** Of `verify --graph`. */
export interface GraphOptions {
  /** The gradients of a batch, or steps of training too; default: neither, but the forward pass. */
  readonly graph?: 'gradients' | 'training';
  /** A .npy of N classes, or the numbers; default: drawn from the seed. */
  readonly labels?: string | ArrayLike<number>;
  /** An .npz of masks called as the dropout layers, or the masks; default none: neither mask nor scaling. */
  readonly dropout?: 'none' | (string & {}) | Masks;
  /** Default 1. */
  readonly steps?: number;
  /** ε, default 0.01. */
  readonly learningRate?: number;
  /** µ, default 0.9. */
  readonly momentum?: number;
  /** λ, default 0.0005. */
  readonly weightDecay?: number;
  /** Whose form of the update; default the paper's. */
  readonly update?: Rule;
}

export interface VerifyOptions extends Choice, GraphOptions, JudgeOptions {
  /** An ONNX file; default: the network as `exportOnnx` writes it. */
  readonly model?: string;
  /** Files or numbers; default: noise. */
  readonly input?: Given;
  /** Images of noise (1, or as many as the file fixes); of those that are given, so many a run (all at once). */
  readonly batch?: number;
  /** Values that another engine computed, to be judged instead: a file of many, or a folder. */
  readonly values?: string;
  /** A server of the Open Inference Protocol v2 whose outputs are judged: http://HOST:PORT/v2/models/NAME. */
  readonly endpoint?: string;
  /** Of those values: a file that maps their names to ours, or the map. */
  readonly names?: string | Readonly<Record<string, string>>;
  /** How their maps lie; default: as their shapes say. */
  readonly layout?: MapOrder;
  /** Default auto; what `chooseDevice` gave is not tried again. Of `values`: whose arithmetic (auto: any). */
  readonly device?: DeviceWord | DeviceChoice;
  /** The devices on which the network's two towers run, each its half (section 3.2). */
  readonly towers?: readonly DeviceWord[];
  /** LRN's form in the network as it is written; default: native, band on WebGPU. */
  readonly lrn?: LrnForm;
  /** The oracle's own chain by the plain loops, not their fast twins. */
  readonly plain?: boolean;
  readonly tf32?: boolean;
  /** Called with each line of what is being done. */
  readonly log?: (line: string) => void;
}

const real = number('a number', () => true);

export const verifyChecks: Checks<VerifyOptions> = {
  ...choiceChecks,
  model: text,
  input: either('a file, a list of files, or a tensor', text, texts, tensorLike),
  batch: whole(1),
  values: text,
  endpoint: text,
  names: either('a file, or names by name', text, thing('')),
  layout: among(['NCHW', 'NHWC']),
  device: either(`one of ${DEVICE_WORDS}`, deviceWord, thing('')),
  towers: listOf(`a list of two of ${DEVICE_WORDS}`, deviceWord),
  lrn: among(lrnForms),
  plain: truth,
  tf32: truth,
  log: called,
  require: among(Object.keys(classes)),
  precision: among(['float32', 'float64']),
  strictDevice: truth,
  repeat: whole(1),
  levels: listOf('a list of basic, extended, all', among(['basic', 'extended', 'all'])),
  graph: among(['gradients', 'training']),
  labels: either('a file, or numbers', text, numberList),
  dropout: either("'none', a file, or masks by layer", text, (value) =>
    value instanceof Map ? undefined : '',
  ),
  steps: whole(1),
  learningRate: real,
  momentum: real,
  weightDecay: real,
  update: among(rules),
};
