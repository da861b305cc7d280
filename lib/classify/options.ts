/** How pictures are classified: what `predict`, `predictInto` and `Classifier` may be told. */
import type { Preprocess } from '../../reference/input/preprocess.ts';
import { aborting, among, type Checks, either, MOST_THREADS, text, thing, whole } from '../checks.ts';
import type { Decoder } from '../image/decode.ts';
import { type Choice, choiceChecks } from '../networks/resolve.ts';
import { type EngineOptions, engineChecks } from './engine.ts';
import type { Limits } from './pictures.ts';

export interface ClassifyOptions extends Choice, EngineOptions {
  /**
   * 1: the centre; 10: corners, centre and their mirrors, probabilities averaged (paper, section 4.1). Default: as the
   * file of the weights takes pictures, else 1.
   */
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

export interface ClassifierOptions extends ClassifyOptions, Limits {
  /** Threads with which each session computes on the CPU; default: onnxruntime's choice, one a core. */
  readonly cpuThreads?: number;
  /** Milliseconds for which a free device waits for more pictures, until a batch is full; default 0. */
  readonly maxDelayMs?: number;
  /** Calls of `classify` under way at a time; one more is refused with Overloaded; default 1000. */
  readonly maxCalls?: number;
}

export interface CallOptions {
  /** Aborted, the call rejects with its reason, and what nobody has begun is dropped. */
  readonly signal?: AbortSignal;
}

export const classifyChecks: Checks<ClassifyOptions> = {
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

/** Longer than a timer can wait, Node does not wait at all. */
const LONGEST = 2 ** 31 - 1;

export const classifierChecks: Checks<ClassifierOptions> = {
  ...classifyChecks,
  cpuThreads: whole(1, MOST_THREADS),
  maxDelayMs: whole(0, LONGEST),
  maxCalls: whole(1),
  maxBytes: whole(1),
  timeoutMs: whole(1, LONGEST),
};

export const callChecks: Checks<CallOptions> = { signal: aborting };
