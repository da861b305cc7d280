/**
 * What an emitter is made of: how one operation is written in ONNX, forward and backward. Each file named as an
 * operation of reference/ops is one, and index.ts is the table of them.
 */
import type { Kind, LayerOf } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';

/** Adds a layer's nodes; its value is called as the layer. Throws where ONNX cannot say what the layer does. */
export type Emit<K extends Kind> = (
  g: GraphBuilder,
  layer: LayerOf<K>,
  inputs: readonly string[],
  weights: Weights,
) => string;

/** As Emit, for a graph that is trained: its parameters are inputs. `masked`: dropout takes masks. */
export type EmitTraining<K extends Kind> = (
  g: GraphBuilder,
  layer: LayerOf<K>,
  inputs: readonly string[],
  masked: boolean,
) => string;

/**
 * Adds the gradients of a layer's inputs and parameters, under the names that `reverse` gives. A layer with one input
 * and no parameters is asked only where the gradient of that input is wanted.
 */
export type EmitBackward<K extends Kind> = (
  g: GraphBuilder,
  layer: LayerOf<K>,
  reverse: Reverse<K extends 'conv2d' | 'linear' | 'concat' ? string | null : string>,
) => void;

/** What the backward half of an emitter is given. Gradients carry the prefix d: dconv1, dconv1.weight. */
export interface Reverse<Dx = string | null> {
  /** The values that the layer read. */
  readonly inputs: readonly string[];
  /** The layer's value, and the gradient of the loss with respect to it. */
  readonly y: string;
  readonly dy: string;
  /** Under which names the gradients of the inputs are wanted; null: not wanted. */
  readonly dx: readonly Dx[];
  /** Whether the gradient of this parameter (conv1.weight) is wanted. */
  readonly wants: (parameter: string) => boolean;
}
