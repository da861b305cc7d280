/** The table of emitters, looked up by the kind of a layer. */
import type { Kind, Layer } from '../reference/networks/layers.ts';
import type { Weights } from '../reference/oracle.ts';
import type { Reverse } from './emit/emitter.ts';
import * as table from './emit/index.ts';
import type { GraphBuilder } from './graph.ts';

/** Its parts are described in emit/emitter.ts. */
interface Emitter {
  /** Where the paper speaks of the operation. */
  readonly paper: string;
  emit(g: GraphBuilder, layer: Layer, inputs: readonly string[], weights: Weights): string;
  /** Where it differs from `emit`. */
  emitTraining?(g: GraphBuilder, layer: Layer, inputs: readonly string[], masked: boolean): string;
  backward(g: GraphBuilder, layer: Layer, reverse: Reverse): void;
}

export const emitters: Readonly<Record<Kind, Emitter>> = table;

/** Adds a layer's nodes to a graph that is trained. `masked`: dropout takes masks. */
export function emitTrainingLayer(
  g: GraphBuilder,
  layer: Layer,
  inputs: readonly string[],
  masked: boolean,
): string {
  const { emit, emitTraining } = emitters[layer.kind];
  return emitTraining ? emitTraining(g, layer, inputs, masked) : emit(g, layer, inputs, new Map());
}
