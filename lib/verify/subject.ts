/**
 * What is verified: the layers of a network (layers.ts), the nodes of any graph (nodes.ts), the gradients of a
 * batch (gradients.ts), a step of training (steps.ts). Each is a list of computations, which are judged one by one
 * from the device's own operands, and a chain of the oracle's own.
 */
import type { ModelProto } from '../../export/proto.ts';
import { streamOf, words } from '../../reference/random.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { type NumericValue, toTensor, type Value } from '../array/value.ts';
import type { OperandRounding } from '../bounds/arithmetic.ts';
import type { Judged, LayerCall, Told } from '../bounds/bounds.ts';
import { InputError } from '../errors.ts';
import type { Margin } from '../judge/margin.ts';
import { firstNotFinite } from '../weights/fitted.ts';
import type { Way } from './provider.ts';

/** Values by name, as far as somebody has them. */
export type Values = (name: string) => Value | undefined;

export interface Computation {
  /** Names of its operands. */
  readonly reads: readonly string[];
  /** The values that it makes and that are judged; `kind` is the layer's, or an operator. */
  readonly makes: readonly { readonly name: string; readonly kind: string }[];
  /** ŷ and bounds of each of them, from operands that are all there, or what is known without; null: not judged. */
  judge(values: Values): readonly (Judged | Told | null)[];
  /** The layer that it is, where it is one, for an explanation of what went wrong. */
  layer?(values: Values): LayerCall | null;
  /** A disagreement that was seen before any number was compared. */
  readonly fault?: string;
  /** Why it fails however well it computes: its weights are not those that it should have. */
  readonly unlike?: string;
  /** Values that nobody has and that were walked through on the way from `reads`, in order. */
  readonly through?: readonly string[];
  /** Stored as float16. */
  readonly half?: boolean;
  /** What its products must have; default: as the subject says. */
  readonly operands?: OperandRounding;
}

export interface Subject {
  /** The network's name, or the graph's. */
  readonly name: string;
  /** Of `verify --graph`: which of its models. */
  readonly model?: 'gradients' | 'training';
  /** What the products must have. */
  readonly operands: OperandRounding;
  readonly feeds: ReadonlyMap<string, Value>;
  /** Most elements of a value for whose errors histograms are drawn; default: any number. */
  readonly detailed?: number;
  /** In the order in which they are computed. Called for each run; computations of one list may share work. */
  computations(): readonly Computation[];
  /** Values that no run computes: what is fed, constants. */
  readonly given: Values;
  /** The oracle's own chain. */
  readonly chain: (name: string) => Tensor | undefined;
  /** Whether a value comes from a generator of the device's own, and the chain's is another. */
  isDrawn?(name: string): boolean;
  /** A chain of the oracle with errors as large as expected on every value, signs drawn from `draw`. */
  disturbed(draw: number, errors: ReadonlyMap<string, Float64Array>): (name: string) => Tensor | undefined;
  /** How nodes are named in a profile: which run's, and what a node of the model or a value is called there. */
  readonly placed: {
    readonly by: Way['graph'];
    readonly nodes?: ReadonlyMap<string, string>;
    readonly title?: (name: string) => string;
  };
  /** For a bug report: the file, and what a value is called in it. */
  readonly file: { readonly model: () => ModelProto; readonly called: (name: string) => string };
  /** What rounding means for the answer: `deviations` are one standard deviation of each value's error. */
  margin?(deviations: ReadonlyMap<string, Float64Array>): Margin | null;
}

/** The computation without the values that nobody wants. */
export function making(computation: Computation, wanted: { has(name: string): boolean }): Computation {
  const { makes } = computation;
  const kept = [...makes.keys()].filter((i) => wanted.has(makes[i].name));
  return {
    ...computation,
    makes: kept.map((i) => makes[i]),
    judge(values) {
      const judged = computation.judge(values);
      return kept.map((i) => judged[i]);
    },
  };
}

/** A value that must be a float, as the judge takes it. */
export const tensorOf = (value: Value | undefined): Tensor => toTensor(value as NumericValue);

/** A chain with rounding errors: `t` with `error` added to every value, signs drawn from `draw` and `name`. */
export function disturbed(t: Tensor, error: Float64Array | undefined, draw: number, name: string): Tensor {
  if (!error) return t;
  const signs = words(draw, streamOf(`rounding of ${name}`), error.length);
  const values = dense(t).slice();
  for (let i = 0; i < values.length; i++)
    if (Number.isFinite(error[i])) values[i] += signs[i] & 1 ? error[i] : -error[i];
  return tensor(values, t.shape);
}

/** Throws InputError for a value that is no number. */
export function mustBeFinite(name: string, t: Tensor): void {
  const values = dense(t);
  const i = firstNotFinite(values);
  if (i >= 0) throw new InputError(`${name} holds ${values[i]} at position ${i}: nothing can be verified`);
}
