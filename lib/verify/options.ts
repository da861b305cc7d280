/** The options of `verify`: the command's own words. */
import type { Precision } from '../../reference/tensor.ts';
import type { Masks } from '../../reference/training/gradient.ts';
import type { Rule } from '../../reference/training/optimiser.ts';
import type { Requirement } from '../bounds/arithmetic.ts';
import type { Given } from '../networks/input.ts';
import type { Choice } from '../networks/resolve.ts';
import type { Device, Choice as DeviceChoice } from '../runtime/devices.ts';
import type { Level } from './provider.ts';

export interface TrainingOptions {
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

export interface VerifyOptions extends Choice, TrainingOptions {
  /** An ONNX file; default: the network as `exportOnnx` writes it. */
  readonly model?: string;
  /** Files or numbers; default: noise. */
  readonly input?: Given;
  readonly batch?: number;
  /** Default auto; what `chooseDevice` gave is not tried again. */
  readonly device?: 'auto' | Device | DeviceChoice;
  readonly strictDevice?: boolean;
  readonly lrn?: 'native' | 'decomposed';
  readonly require?: Requirement;
  readonly precision?: Precision;
  readonly plain?: boolean;
  /** Runs of each kind, compared bit by bit; default 1. */
  readonly repeat?: number;
  /** Levels of graph optimisation besides none; default all. */
  readonly levels?: readonly Level[];
  readonly tf32?: boolean;
  /** Called with each line of what is being done. */
  readonly log?: (line: string) => void;
}
