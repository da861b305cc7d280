/**
 * The language in which a network is written down: a list of named, typed layers. The oracle, both ONNX graphs, the
 * summary and the documents are made from this one list.
 */

import type { Preprocess } from '../input/preprocess.ts';
import { mustBeObject } from '../named.ts';
import type * as ops from '../ops/index.ts';
import type { Shape } from '../tensor.ts';
import type { Starts } from './starts.ts';

export interface NamedLayer {
  /** The paper's and Caffe's name: conv1, relu1, norm1, pool1 … fc8, prob. */
  readonly name: string;
  /** Names of the layers (or 'input') that this one reads; the previous layer if absent. */
  readonly inputs?: readonly string[];
}

/** What kinds of layers there are: the names of the operations. */
export type Kind = keyof typeof ops;

export type AttributesOf<K extends Kind> = Parameters<(typeof ops)[K]['forward']>[1];

/** A layer of one kind: its operation's attributes, and where it has weights, their sizes. */
export type OneKind<K extends Kind> = NamedLayer & { readonly kind: K } & (AttributesOf<K> extends object
    ? { readonly attributes: AttributesOf<K> }
    : { readonly attributes?: undefined }) &
  (K extends 'conv2d' | 'linear' ? Parameters<(typeof ops)[K]['parameters']>[1] : unknown);

export type Layer = { [K in Kind]: OneKind<K> }[Kind];
/** The layers of these kinds. */
export type LayerOf<K extends Kind> = Layer & { readonly kind: K };

export interface Network {
  /** As given to --network. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  /** [C, H, W]; of what lies behind a fully connected layer [K]. */
  readonly input: Shape;
  readonly layers: readonly Layer[];
  readonly preprocess: Preprocess;
  /** How training begins; where nothing is said, with deviation 0.01 and biases 0. */
  readonly starts?: Starts;
}

// ---- the words in which the networks are written -------------------------------------------------------------------

export type Pads = number | readonly [number, number, number, number];
const pads = (pad: Pads): readonly [number, number, number, number] =>
  typeof pad === 'number' ? [pad, pad, pad, pad] : pad;

export interface ConvOptions {
  readonly stride?: number;
  readonly pad?: Pads;
  readonly groups?: number;
}

/** A convolution with a square kernel. */
export function conv(name: string, channels: number, size: number, options: ConvOptions = {}): Layer {
  mustBeObject('conv: options', options);
  const { stride = 1, pad = 0, groups = 1 } = options;
  return {
    name,
    kind: 'conv2d',
    channels,
    kernel: [size, size],
    attributes: { stride: [stride, stride], pad: pads(pad), dilation: [1, 1], groups },
  };
}

export const relu = (name: string): Layer => ({ name, kind: 'relu' });
export const tanh = (name: string): Layer => ({ name, kind: 'tanh' });

/** The paper's constants (n = 5, β = 0.75) unless said otherwise; α divided by n, as in Caffe, PyTorch and ONNX. */
export function lrn(name: string, options: Partial<ops.lrn.Attributes> = {}): Layer {
  const usual = { size: 5, alpha: 1e-4, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 } as const;
  return { name, kind: 'lrn', attributes: { ...usual, ...options } };
}

/** Normalisation within maps, α divided by size², k = 1: Caffe's and cuda-convnet's form. */
export function mapnorm(name: string, size: number, alpha: number): Layer {
  return { name, kind: 'mapnorm', attributes: { size, alpha, beta: 0.75, k: 1, divide: true } };
}

const overlapping = { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0] } as const;

/** Overlapping max-pooling, z = 3 and s = 2 (section 3.4) unless said otherwise. */
export function maxpool(name: string, options: Partial<ops.maxpool.Attributes> = {}): Layer {
  return { name, kind: 'maxpool', attributes: { ...overlapping, rounding: 'floor', ...options } };
}

/** Overlapping average pooling, Caffe's rounding and divisor. */
export function avgpool(name: string): Layer {
  return { name, kind: 'avgpool', attributes: { ...overlapping, rounding: 'caffe', divisor: 'caffe' } };
}

export const adaptiveavgpool = (name: string, size: number): Layer => ({
  name,
  kind: 'adaptiveavgpool',
  attributes: { size: [size, size] },
});

export const flatten = (name: string): Layer => ({ name, kind: 'flatten', attributes: { order: 'CHW' } });
export const linear = (name: string, channels: number): Layer => ({ name, kind: 'linear', channels });

/** Dropout with ratio ½. */
export const dropout = (name: string, convention: ops.dropout.Attributes['convention']): Layer => ({
  name,
  kind: 'dropout',
  attributes: { ratio: 0.5, convention },
});

export const softmax = (name: string): Layer => ({ name, kind: 'softmax' });
export const split = (name: string, input: string, parts: number, part: number): Layer => ({
  name,
  kind: 'split',
  inputs: [input],
  attributes: { parts, part },
});
export const concat = (name: string, inputs: readonly string[]): Layer => ({ name, kind: 'concat', inputs });

/** The same layer reading from another one than the one before it. */
export const from = (input: string, layer: Layer): Layer => ({ ...layer, inputs: [input] });
