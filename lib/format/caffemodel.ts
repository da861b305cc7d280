/**
 * Caffe's binary protocol buffers: weights (.caffemodel, a NetParameter) and mean images (.binaryproto, one
 * BlobProto).
 *
 *   NetParameter       name = 1, layers = 2 (V1LayerParameter), layer = 100 (LayerParameter)
 *   LayerParameter     name = 1, type = 2, blobs = 7
 *   V1LayerParameter   name = 4, type = 5, blobs = 6
 *   BlobProto          num = 1, channels = 2, height = 3, width = 4 (legacy shape), data = 5 (float),
 *                      shape = 7 {dim = 1}, double_data = 8
 * Source: BVLC/caffe, src/caffe/proto/caffe.proto. Blobs are named 'conv1/0' (weight) and 'conv1/1' (bias).
 */

import {
  addExtents,
  countFixed,
  type Field,
  fields,
  fieldsOf,
  framed,
  framedIntegers,
  framedText,
  readFixed,
  textOf,
} from '../../export/wire.ts';
import { viewAs } from '../array/dtype.ts';
import { byteSize, bytesView, floatValue, type LazyValue, type NumericValue, widen } from '../array/value.ts';
import { bad, type Source } from './source.ts';

const whole = ({ size }: Source): Field => ({ number: 0, wire: 2, tag: 0, start: 0, end: size, value: 0 });

/** The blobs of all layers, values unread. Throws InputError. */
export function openCaffemodel(source: Source): ReadonlyMap<string, LazyValue> {
  const blobs = new Map<string, LazyValue>();
  for (const field of fields(source)) {
    if (field.wire !== 2) continue;
    if (field.number === 100) addLayer(source, field, 1, 7, blobs);
    else if (field.number === 2) addLayer(source, field, 4, 6, blobs);
  }
  if (blobs.size === 0)
    throw bad(source, 'no layer of this caffemodel has blobs (a 2013 file needs upgrade_net_proto_binary)');
  return blobs;
}

function addLayer(
  source: Source,
  layer: Field,
  nameField: number,
  blobField: number,
  blobs: Map<string, LazyValue>,
) {
  let name = '';
  const own: Field[] = [];
  for (const field of fieldsOf(source, layer)) {
    if (field.wire !== 2) continue;
    if (field.number === nameField) name = textOf(source, field);
    else if (field.number === blobField) own.push(field);
  }
  for (const [index, field] of own.entries()) {
    const key = `${name}/${index}`;
    if (blobs.has(key)) throw bad(source, `two layers called '${name}' have blobs`);
    blobs.set(key, openBlob(source, field, `blob '${key}'`));
  }
}

/** A mean image: the single blob in the file. Throws InputError. */
export const openBinaryproto = (source: Source): LazyValue => openBlob(source, whole(source), 'the blob');

function openBlob(source: Source, blob: Field, label: string): LazyValue {
  const legacy = [1, 1, 1, 1];
  let shape: number[] | null = null;
  let isLegacy = false;
  let isDouble = false;
  let isFloat = false;
  for (const field of fieldsOf(source, blob)) {
    if (field.number <= 4 && field.wire === 0) {
      legacy[field.number - 1] = field.value;
      isLegacy = true;
    } else if (field.number === 7 && field.wire === 2) {
      shape ??= [];
      for (const dim of fieldsOf(source, field)) if (dim.number === 1) addExtents(source, dim, shape);
    } else if (field.number === 8) isDouble = true;
    else if (field.number === 5) isFloat = true;
  }
  const width = isDouble ? 8 : 4;
  const number = isDouble ? 8 : 5;
  if (isDouble && isFloat) throw bad(source, `${label} has float and double data`);
  const count = countFixed(source, blob, number, width);
  const extents = shape ?? (isLegacy ? legacy : [count]);
  const dtype = isDouble ? 'float64' : 'float32';
  const size = byteSize(dtype, extents);
  if (size !== count * width)
    throw bad(source, `${label}: shape [${extents}] does not fit its ${count} values`);
  const read = (): NumericValue => {
    return { dtype, shape: extents, data: viewAs(dtype, readFixed(source, blob, number, size)) };
  };
  return { dtype, shape: extents, read };
}

/** Caffe's names of the types of layers that have weights. */
export type CaffeType = 'Convolution' | 'InnerProduct';

/**
 * A .caffemodel in the current layout, in pieces, the values not copied. Layers are [name, type, blobs].
 * Values that are neither float32 nor float64 are widened exactly.
 */
export function caffemodelPieces(
  layers: Iterable<readonly [name: string, type: CaffeType, blobs: readonly NumericValue[]]>,
  name: string,
): Uint8Array[] {
  const pieces = framedText(1, name);
  for (const [layer, type, blobs] of layers) {
    const content = [
      ...framedText(1, layer),
      ...framedText(2, type),
      ...blobs.flatMap((blob) => framed(7, blobPieces(blob))),
    ];
    pieces.push(...framed(100, content));
  }
  return pieces;
}

/** A BlobProto: a .binaryproto file, or part of a layer. */
export function blobPieces(array: NumericValue): Uint8Array[] {
  const values = floatValue(widen(array), array.shape);
  const shape = framed(7, array.shape.length > 0 ? framedIntegers(1, array.shape) : []);
  return [...shape, ...framed(values.dtype === 'float64' ? 8 : 5, [bytesView(values)])];
}
