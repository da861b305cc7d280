/**
 * NumPy arrays inside pickles: what __reduce__ of ndarray, dtype and scalars writes
 * (numpy/core/src/multiarray/methods.c).
 */

import { bytesOf, dtypeOfCode, type NumericDType, type TypedArray, viewAs } from '../array/dtype.ts';
import {
  byteSize,
  fortranStrides,
  type LazyValue,
  type NumericValue,
  swapBytes,
  toRowMajor,
  widen,
} from '../array/value.ts';
import { type Built, isKind, type PickleValue, type Slice } from './pickle-value.ts';
import { fromUtf8, toLatin1 } from './strings.ts';

interface DTypeState {
  /** 'f4'; 'O8' for objects. */
  readonly code: string;
  order: string;
}

/** An array while it is built: numbers still in the file, or objects. */
interface ArrayState {
  array?: LazyValue;
  objects?: readonly PickleValue[];
}

const built = (what: string, content: DTypeState | ArrayState): Built => ({ kind: 'built', what, content });

/** The array, of numbers or of objects, that a pickle's value is; empty for any other value. */
export const arrayOf = (value: PickleValue | undefined): Readonly<ArrayState> =>
  value !== undefined && isKind(value, 'built') && value.what === 'ndarray'
    ? (value.content as ArrayState)
    : {};

/** _reconstruct(ndarray, (0,), b'b'): empty until its state comes. */
export const reconstruct = (): PickleValue => built('ndarray', {});

/** dtype('f4', align, copy); '<f4' too. */
export function dtype([code]: readonly PickleValue[]): PickleValue {
  const match = typeof code === 'string' ? /^([<>|=]?)([a-zA-Z]\d{1,3})$/.exec(code) : null;
  if (!match) throw new Error('a type of values that is not known');
  return built('dtype', { code: match[2], order: match[1] || '<' });
}

/** _codecs.encode(text, 'latin1'): how Python 3 writes bytes in protocol 2. */
export function encode([text, coding]: readonly PickleValue[]): PickleValue {
  if (text !== undefined && (coding === 'latin1' || coding === 'latin-1')) return text;
  throw new Error('only latin1 is known');
}

export function setState(object: Built, state: PickleValue): PickleValue {
  if (!Array.isArray(state)) throw new Error('damaged pickle: a state that is not a tuple');
  if (object.what === 'dtype') {
    const order = state[1];
    if (typeof order !== 'string') throw new Error('damaged pickle: a type without byte order');
    (object.content as DTypeState).order = order;
  } else if (object.what === 'ndarray') {
    const [, shape, type, fortran, data] = state;
    fill(object.content as ArrayState, shape, type, fortran === true || fortran === 1, data);
  } else throw new Error(`damaged pickle: a state for a ${object.what}`);
  return object;
}

/** _frombuffer(bytes, dtype, shape, 'C' or 'F'): NumPy's protocol 5. */
export function fromBuffer([data, type, shape, order]: readonly PickleValue[]): PickleValue {
  const state: ArrayState = {};
  fill(state, shape, type, order === 'F', data);
  return built('ndarray', state);
}

function fill(
  state: ArrayState,
  shape: PickleValue,
  type: PickleValue,
  fortran: boolean,
  data: PickleValue,
): void {
  const isType = isKind(type, 'built') && type.what === 'dtype';
  if (!isType) throw new Error('damaged pickle: an array without a type');
  if (!Array.isArray(shape) || shape.length > 64 || !shape.every((extent) => typeof extent === 'number')) {
    throw new Error('damaged pickle: an array without a shape');
  }
  const { code, order } = type.content as DTypeState;
  if (code.startsWith('O')) {
    if (!Array.isArray(data)) throw new Error('damaged pickle: an array of objects without objects');
    state.objects = data;
    return;
  }
  const known = dtypeOfCode(code, 'numpy');
  if (!known) throw new Error(`values of type '${code.slice(0, 8)}' are not read`);
  state.array = lazy(known, [...(shape as number[])], fortran, order === '>', data);
}

function lazy(
  dtype: NumericDType,
  shape: number[],
  fortran: boolean,
  swap: boolean,
  data: PickleValue,
): LazyValue {
  const size = byteSize(dtype, shape);
  const text = typeof data === 'string' ? data.length : isKind(data, 'slice') ? data.length : -1;
  const encoded = isKind(data, 'slice') && data.coding === 'utf8';
  if (encoded ? !(text >= size) : text !== size) {
    throw new Error(`an array of shape [${shape}] of ${dtype} needs ${size} bytes, ${text} are there`);
  }
  const width = bytesOf(dtype);
  const read = (): NumericValue => {
    const bytes = rawBytes(data as string | Slice);
    if (bytes.length !== size) throw new Error(`${bytes.length} bytes for an array of ${size}`);
    if (swap) swapBytes(bytes, width);
    const all = viewAs(dtype, bytes);
    return { dtype, shape, data: fortran ? toRowMajor(all, shape, fortranStrides(shape)) : all };
  };
  if (typeof data === 'string' || encoded || fortran) return { dtype, shape, read };
  const { source, offset } = data as Slice;
  const part = (first: number, { buffer, byteOffset, byteLength }: TypedArray) => {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    source.readInto(bytes, offset + width * first);
    if (swap) swapBytes(bytes, width);
  };
  return { dtype, shape, read, part };
}

function rawBytes(data: string | Slice): Uint8Array<ArrayBuffer> {
  if (typeof data === 'string') return Uint8Array.from(data, (letter) => letter.charCodeAt(0));
  const bytes = data.source.read(data.offset, data.length);
  return data.coding === 'latin1' ? bytes : toLatin1(fromUtf8(bytes));
}

/** scalar(dtype, bytes): its value. */
export function scalar([type, data]: readonly PickleValue[]): PickleValue {
  const state: ArrayState = {};
  fill(state, [], type, false, data);
  return state.array ? widen(state.array.read())[0] : null;
}
