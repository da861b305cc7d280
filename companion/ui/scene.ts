/** What all parts of the page look at: the network, its shapes, and the photo that it has seen. */

import type { Identity } from '../../lib/explain/start.ts';
import { layerMacs, type Shapes, shapes, weightShapes } from '../../reference/oracle.ts';
import { type Shape, sizeOf } from '../../reference/tensor.ts';
import type { Seen } from '../engine/protocol.ts';

export interface Scene extends Seen, Identity {
  /** Of 'input' and of every layer, batch first. */
  readonly shapes: Shapes;
  readonly sizes: ReadonlyMap<string, Sizes>;
}

export interface Sizes {
  readonly parameters: number;
  /** Multiply-adds for one picture. */
  readonly macs: number;
}

export function sceneOf(identity: Identity, seen: Seen): Scene {
  const { network } = identity;
  const weights = weightShapes(network);
  const count = (name: string): number => sizeOf(weights.get(name) ?? [0]);
  const sizes = network.layers.map(({ name }, at): [string, Sizes] => [
    name,
    { parameters: count(`${name}.weight`) + count(`${name}.bias`), macs: layerMacs(network, at) },
  ]);
  return { ...identity, ...seen, shapes: shapes(network), sizes: new Map(sizes) };
}

/** The most probable class. */
export const bestOf = ({ probabilities }: Seen): number =>
  probabilities.reduce((best, p, k) => (p > probabilities[best] ? k : best), 0);

/** How a layer's output is laid out to be looked at: maps of rows and columns; a vector becomes one wide map. */
export interface Layout {
  readonly maps: number;
  readonly rows: number;
  readonly columns: number;
  /** Values that are there: the last row of a vector may not be full. */
  readonly size: number;
  readonly vector: boolean;
}

export function layoutOf(shape: Shape): Layout {
  if (shape.length === 4) {
    const [, maps, rows, columns] = shape;
    return { maps, rows, columns, size: maps * rows * columns, vector: false };
  }
  const size = shape[1];
  const columns = Math.min(size, Math.max(10, Math.ceil(Math.sqrt(size * 2))));
  return { maps: 1, rows: Math.ceil(size / columns), columns, size, vector: true };
}
