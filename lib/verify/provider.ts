/**
 * Where the values come from that are judged: a session of onnxruntime on a device (sessions.ts), or a dump that
 * another engine wrote (dump/). A provider may lack values, and need not know more than one way to run, nor where
 * anything ran.
 */
import type { Value } from '../array/value.ts';
import type { Executor } from '../runtime/failures.ts';
import type { Placement } from '../runtime/placement.ts';

/** onnxruntime's levels of graph optimisation. */
export type Level = 'basic' | 'extended' | 'all';

/** A way to run a model. */
export interface Way {
  /** Every value is an output, or the outputs alone are; or it ran elsewhere, nobody knows how. */
  readonly graph: 'tapped' | 'untouched' | 'elsewhere';
  /** onnxruntime's level of graph optimisation. */
  readonly level: Level | 'disabled' | 'unknown';
}

export interface Run {
  /** By the subject's names; those of the outputs alone where nothing was tapped. */
  readonly values: ReadonlyMap<string, Value>;
  /** Null where nobody knows. */
  readonly placement: Placement | null;
  /** Values that were not the same, bit for bit, in every repetition. */
  readonly unstable: readonly string[];
}

/** Values compared with those of a run that differed in one thing. */
export interface Repeat {
  /** What was another: the run alone, its session, the image's place, the batch. */
  readonly change: 'run' | 'session' | 'place' | 'batch';
  readonly what: string;
  /** Values that were compared. */
  readonly compared: number;
  /** Those that did not keep their bits, and by how many units in the last place, at most, each moved. */
  readonly moved: readonly { readonly layer: string; readonly ulps: number }[];
}

export interface Provider extends AsyncDisposable {
  /** Whose arithmetic it is. */
  readonly device: Executor;
  /** The first has the values that are judged one by one. */
  readonly ways: readonly [Way, ...Way[]];
  /** Values for what is fed, by the model's input names. Throws InputError, or EnvironmentError for the device. */
  run(feeds: ReadonlyMap<string, Value>, way: Way): Promise<Run>;
  /** What else makes its values move; only of those that can be run again. `fixed`: the batch is as it is. */
  repeats?(feeds: ReadonlyMap<string, Value>, fixed: boolean): Promise<readonly Repeat[]>;
}
