/** The values of a dump in the shapes and the order that the network's layers have. */
import { IMAGE } from '../../../export/pixels.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { shapes } from '../../../reference/oracle.ts';
import { type Shape, type Storage, sizeOf } from '../../../reference/tensor.ts';
import { type FloatDType, isFloat } from '../../array/dtype.ts';
import { fromTensor, type NumericValue, toTensor, type Value, widened } from '../../array/value.ts';
import { InputError } from '../../errors.ts';
import { channelsFirst, mapsOf } from '../order.ts';
import type { Dump } from './read.ts';

export type MapOrder = 'NCHW' | 'NHWC';

export interface Placed {
  /** How many images' values they are. */
  readonly images: number;
  /** By our names, float32 or float64, (N, …); one whose shape is another is left as it is. */
  readonly values: ReadonlyMap<string, Value>;
  /** The types in which they are written down. */
  readonly types: ReadonlyMap<string, FloatDType>;
}

/**
 * `names`: the dump's by ours; `one`: shapes of one image's values, in their order. Maps lie as their shape says;
 * where it says nothing, as `layout` or all others do.
 * Throws InputError for what is not a float, and where `layout` cannot be.
 */
export function place(
  dump: Dump,
  names: ReadonlyMap<string, string>,
  network: Network,
  layout?: MapOrder,
  one: ReadonlyMap<string, Shape> = shapes(network),
): Placed {
  const maps = mapsOf(network, one);
  const found = [...names].map(([name, theirs]) => {
    const value = dump.get(theirs)!;
    const bytes = name === IMAGE || (value.dtype === 'uint8' && name.startsWith(`${IMAGE}/`));
    return [name, bytes ? fromTensor(toTensor(value)) : float(theirs, value)] as const;
  });
  const images = imagesIn(found, one);
  const own = (name: string): Shape => {
    const [rows, ...rest] = one.get(name)!;
    return [images * rows, ...rest];
  };
  const orders = found.map(([name, { shape }]) =>
    orderOf(shape, own(name), [own(name)[0], ...(maps.get(name) ?? [])]),
  );
  const told = layout ?? toldBy(orders);
  const values = new Map<string, Value>();
  for (const name of one.keys()) {
    const i = found.findIndex(([ours]) => ours === name);
    if (i < 0) continue;
    const [, value] = found[i];
    const order = orders[i];
    if (layout && order === (layout === 'NHWC' ? 'NCHW' : 'NHWC'))
      throw new InputError(`'${names.get(name)}' is [${value.shape}], which is not ${layout}`);
    const last = () => channelsFirst(value, maps.get(name)!);
    const laid =
      order === 'NHWC' || (order === 'either' && told === 'NHWC' && !isFlat(value, one.get(name)!))
        ? last()
        : order === 'either' && told === 'NHWC'
          ? likest([...values.values()].at(-1), last(), value)
          : value;
    values.set(name, order === 'another' ? value : { ...laid, shape: own(name) });
  }
  const types = [...names].flatMap(([name, theirs]) => {
    const { dtype } = dump.get(theirs)!;
    return isFloat(dtype) ? [[name, dtype] as const] : [];
  });
  return { images, values, types: new Map(types) };
}

const isFlat = ({ shape }: Value, own: Shape): boolean => own.length === 2 && shape.length <= 2;

/** Whether an engine flattens maps as they lie or not: of two orders the one that is more like the value before. */
function likest(before: Value | undefined, ...[last, first]: readonly Value[]): Value {
  const maps = before?.data as Storage | undefined;
  if (maps?.length !== first.data.length) return last;
  const like = ({ data }: Value): number => {
    let sum = 0;
    for (const [i, v] of maps.entries()) sum += v * (data as Storage)[i];
    return sum;
  };
  return like(first) >= like(last) ? first : last;
}

function float(name: string, value: NumericValue): Value {
  if (!isFloat(value.dtype))
    throw new InputError(`'${name}' is ${value.dtype}: values are judged as floats, dequantise them first`);
  const { data, shape, dtype } = widened(value);
  return { dtype: dtype === 'float64' ? 'float64' : 'float32', shape, data };
}

/** As most values say: how many times one image's numbers they hold. */
function imagesIn(found: readonly (readonly [string, Value])[], one: ReadonlyMap<string, Shape>): number {
  const votes = new Map<number, number>();
  for (const [name, { shape }] of found) {
    const times = sizeOf(shape) / sizeOf(one.get(name)!);
    if (Number.isInteger(times) && times > 0) votes.set(times, (votes.get(times) ?? 0) + 1);
  }
  return [...votes].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 1;
}

/** What a shape says of its order: one or the other, either, that both are the same; or it is another shape. */
type Order = MapOrder | 'either' | 'same' | 'another';

/** `own` the value's shape here, `maps` (N,C,H,W) of what it may hold flattened. Extents of 1 say nothing. */
function orderOf(shape: Shape, own: Shape, [N, ...maps]: Shape): Order {
  const is = (other: Shape): boolean => squeezed(shape) === squeezed(other);
  if (maps.length === 0 || sizeOf(maps) * N !== sizeOf(own)) return is(own) ? 'same' : 'another';
  const [C, H, W] = maps;
  const first = is([N, C, H, W]);
  const last = is([N, H, W, C]);
  const flat = own.length === 2 && is(own);
  if (!first && !last && !flat) return 'another';
  if (C === 1 || H * W === 1) return 'same';
  if (flat || (first && last)) return 'either';
  return first ? 'NCHW' : 'NHWC';
}

/** A shape without its extents of 1. */
export const squeezed = (shape: Shape): string => shape.filter((extent) => extent !== 1).join();

const toldBy = (orders: readonly Order[]): MapOrder =>
  orders.includes('NHWC') && !orders.includes('NCHW') ? 'NHWC' : 'NCHW';
