/** The order in which maps lie: C,H,W here, H,W,C in files and dumps of other engines. */
import type { Network } from '../../reference/networks/layers.ts';
import type { Shape, Storage } from '../../reference/tensor.ts';
import type { Value } from '../array/value.ts';

/** Maps that lie as H,W,C, flattened or not, in the order C,H,W. */
export function channelsFirst({ dtype, shape, data }: Value, [C, H, W]: Shape): Value {
  const from = data as Storage;
  const to = new (from.constructor as Float64ArrayConstructor)(from.length) as Storage;
  const area = H * W;
  for (let n = 0; n < from.length; n += C * area)
    for (let c = 0; c < C; c++) for (let p = 0; p < area; p++) to[n + c * area + p] = from[n + p * C + c];
  return { dtype, shape, data: to };
}

/** [C,H,W] of each value's maps, of a flattened one those that it was made of; [] behind a fully connected layer. */
export function mapsOf({ layers }: Network, shapes: ReadonlyMap<string, Shape>): Map<string, Shape> {
  let maps = shapes.get('input')!.slice(1);
  const found = new Map<string, Shape>([['input', maps]]);
  for (const { name, kind } of layers) {
    const shape = shapes.get(name)!;
    maps = shape.length === 4 ? shape.slice(1) : kind === 'linear' ? [] : maps;
    found.set(name, maps);
  }
  return found;
}
