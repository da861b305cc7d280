/**
 * PyTorch checkpoints (torch.save), read without running anything, and written.
 *
 *   zip      since 1.6: <name>/data.pkl, <name>/data/<key> a storage each, stored and aligned, <name>/byteorder
 *   legacy   pickles one after the other (magic number, protocol 1001, system info, the object, the storages' keys),
 *            then each storage: its length as int64, its values; little-endian whatever the system info says
 * Source: torch/serialization.py (_save, _legacy_save), torch/csrc/serialization.cpp (writeFileRaw), torch/_utils.py.
 *
 * The state dict is the checkpoint itself, or the dictionary of tensors inside it that is called state_dict, model,
 * …; optimiser state is passed over. Written is the zip: data.pkl (protocol 2: an OrderedDict of _rebuild_tensor_v2),
 * a storage per tensor aligned to 64 bytes, byteorder, version 3: what torch.load(…, weights_only=True) reads.
 */

import { joined } from '../../export/wire.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { bytesOf, codeOf, viewAs } from '../array/dtype.ts';
import {
  byteSize,
  bytesView,
  type LazyValue,
  type NumericValue,
  swapBytes,
  toRowMajor,
} from '../array/value.ts';
import { InputError } from '../errors.ts';
import { unpickle, whyRefused } from './pickle.ts';
import { plainGlobals, type StorageRef, type TensorRef, torchGlobals } from './pickle-globals.ts';
import { isKind, type PickleValue } from './pickle-value.ts';
import { adopt, bad, checkTotal, cursor, type Source, section, uint64 } from './source.ts';
import { stateDict } from './statedict.ts';
import { fromLatin1, toLatin1, toUtf8 } from './strings.ts';
import { type Member, zipPieces } from './zip.ts';

/** Bytes of a storage. */
interface Place {
  /** Their number. */
  readonly size: number;
  /** A copy of some of them; of all of them with the archive's checksum looked at. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
}

type Places = (storage: StorageRef) => Place;

/** A zip checkpoint's tensors, values unread. Throws InputError. */
export function openZipCheckpoint(source: Source, members: ReadonlyMap<string, Member>) {
  const pickle = [...members.values()].find(({ name }) => /^[^/]*\/data\.pkl$/.test(name));
  if (!pickle) throw bad(source, 'a zip archive without data.pkl: no PyTorch checkpoint');
  const folder = pickle.name.slice(0, -'data.pkl'.length);
  const bytes = pickle.read({ checksum: false });
  // torch can write archives without checksums: they count only where the pickle's own is right
  const checksum = pickle.isWhole(bytes);
  const order = members.get(`${folder}byteorder`)?.head(6);
  const swap = order !== undefined && fromLatin1(order) === 'big';
  const object = unpickle(adopt(bytes, source.name), torchGlobals());
  const places: Places = ({ key }) => {
    const member = members.get(`${folder}data/${key}`);
    return memberPlace(member ?? missing(source, key, 'archive'), checksum);
  };
  return tensorsOf(source, object, places, swap);
}

function missing(source: Source, key: string, where: string): never {
  throw bad(source, `the storage '${key.slice(0, 40)}' is not in the ${where}`);
}

function memberPlace(member: Member, checksum: boolean): Place {
  let sound = !checksum;
  return {
    size: member.size,
    read(offset, length) {
      // a part alone has no checksum: the whole is looked at once
      if (sound && member.stored) return member.open().read(offset, length);
      const bytes = member.read({ checksum });
      sound = true;
      return length === member.size ? bytes : bytes.slice(offset, offset + length);
    },
  };
}

/** The magic number that torch.save puts first, as a protocol 2 pickle. */
export const LEGACY_MAGIC = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20';

/** A legacy checkpoint's tensors, values unread. Throws InputError. */
export function openLegacyCheckpoint(source: Source) {
  const magic = unpickle(source, plainGlobals);
  const protocol = unpickle(source, plainGlobals, magic.end);
  if (protocol.value !== 1001) throw bad(source, 'a legacy checkpoint of an unknown protocol');
  const system = unpickle(source, plainGlobals, protocol.end);
  const widths = new Map<string, number>();
  const globals = torchGlobals(({ key, dtype }) => widths.set(key, bytesOf(dtype)));
  const object = unpickle(source, globals, system.end);
  const keys = unpickle(source, plainGlobals, object.end);
  if (!Array.isArray(keys.value)) throw bad(source, 'damaged checkpoint: no list of storages');
  const places = legacyPlaces(source, widths, keys.value, keys.end);
  return tensorsOf(source, object, places, false);
}

/** Storages follow one another; how wide their values are is known from the pickle. */
function legacyPlaces(
  source: Source,
  widths: ReadonlyMap<string, number>,
  keys: readonly PickleValue[],
  start: number,
): Places {
  const places = new Map<string, Place>();
  const c = cursor(source, start);
  for (const key of keys) {
    if (typeof key !== 'string') throw bad(source, 'damaged checkpoint: a storage without a key');
    const length = uint64(c);
    const width = widths.get(key) ?? missing(source, key, 'pickle');
    places.set(key, section(source, c.at, length * width));
    c.at += length * width;
  }
  return ({ key }) => places.get(key) ?? missing(source, key, 'file');
}

const REMEDY = 'save plain tensors, torch.save(model.state_dict(), FILE)';

const refOf = (value: PickleValue): TensorRef | undefined =>
  isKind(value, 'built') && value.what === 'tensor' ? (value.content as TensorRef) : undefined;

/** Whether a tensor or its values are in what an unknown function is called with. */
const holdsValues = (item: PickleValue): boolean =>
  isKind(item, 'instance') && item.args.some((arg) => isKind(arg, 'built'));

function tensorsOf(source: Source, object: ReturnType<typeof unpickle>, places: Places, swap: boolean) {
  const found = stateDict(object.value, refOf);
  if (!found)
    throw bad(source, whyRefused(object.unknown) ?? 'the checkpoint holds no dictionary of tensors');
  for (const [name, item] of found.value instanceof Map ? found.value : []) {
    if (!isKind(item, 'instance') || !holdsValues(item)) continue;
    throw bad(
      source,
      `'${String(name).slice(0, 80)}' is made by ${item.type}, which is not known: ${REMEDY}`,
    );
  }
  const tensors = new Map<string, LazyValue>();
  let total = 0;
  for (const [name, ref] of found.tensors) {
    const tensor = lazy(source, name, ref, places, swap);
    total += byteSize(tensor.dtype, tensor.shape);
    checkTotal(source, total);
    tensors.set(name, tensor);
  }
  const notes: string[] = [];
  if (found.path.length > 0) notes.push(`state dict found under '${found.path.join('.')}'`);
  if (found.others.length > 0) notes.push(`passed over: ${found.others.slice(0, 4).join(', ')}`);
  return { tensors, notes };
}

/** Largest expansion of a storage by strides of 0, in bytes. */
const MOST_EXPANDED = 2 ** 20;

function lazy(source: Source, name: string, ref: TensorRef, places: Places, swap: boolean): LazyValue {
  const { storage, shape, strides } = ref;
  const { dtype } = storage;
  const width = bytesOf(dtype);
  const offset = storage.start + ref.offset;
  const size = byteSize(dtype, shape);
  const span =
    size === 0 ? 0 : 1 + shape.reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis], 0);
  const place = places(storage);
  if (!(size <= Math.max(place.size, MOST_EXPANDED)) || !((offset + span) * width <= place.size)) {
    const fit = `does not fit into its storage of ${place.size} bytes`;
    throw bad(source, `tensor '${name.slice(0, 80)}': shape [${shape}] of ${dtype} ${fit}`);
  }
  const read = (): NumericValue => {
    const bytes = place.read(offset * width, span * width);
    if (swap) swapBytes(bytes, width);
    const data = viewAs(dtype, bytes);
    return { dtype, shape, data: isContiguous(shape, strides) ? data : toRowMajor(data, shape, strides) };
  };
  return { dtype, shape, read };
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== stride) return false;
    stride *= shape[axis];
  }
  return true;
}

// ---- writing

/** An instruction of one letter, followed by bytes that `fill` writes. */
function instruction(letter: string, length: number, fill: (v: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(1 + length);
  bytes[0] = letter.charCodeAt(0);
  fill(new DataView(bytes.buffer, 1));
  return bytes;
}

/** An integer: 32 bits where they suffice, else LONG1. */
function integer(value: number): Uint8Array {
  if (value < 2 ** 31) return instruction('J', 4, (v) => v.setInt32(0, value, true));
  return instruction('\x8a', 9, (v) => {
    v.setUint8(0, 8);
    v.setBigInt64(1, BigInt(value), true);
  });
}

function text(value: string): Uint8Array {
  const utf8 = toUtf8(value);
  return joined([instruction('X', 4, (v) => v.setUint32(0, utf8.length, true)), utf8]);
}

const code = toLatin1;
const tuple = (items: readonly Uint8Array[]): Uint8Array => joined([code('('), ...items, code('t')]);
const global = (module: string, name: string): Uint8Array => code(`c${module}\n${name}\n`);
const orderedDict = joined([global('collections', 'OrderedDict'), code(')R')]);

function rebuild(key: number, { dtype, shape }: NumericValue): Uint8Array {
  const storage = codeOf(dtype, 'torch');
  if (!storage) throw new InputError(`.pth has no ${dtype}: convert to float32 first`);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const id = tuple([
    text('storage'),
    global('torch', storage),
    text(`${key}`),
    text('cpu'),
    integer(sizeOf(shape)),
  ]);
  const args = [
    joined([id, code('Q')]),
    integer(0),
    tuple(shape.map(integer)),
    tuple(strides.map(integer)),
    code('\x89'),
    orderedDict,
  ];
  return joined([global('torch._utils', '_rebuild_tensor_v2'), tuple(args), code('R')]);
}

/**
 * The file in pieces, the values not copied. `name` is the folder inside. Throws InputError for types
 * PyTorch lacks.
 */
export function pthPieces(
  tensors: Iterable<readonly [string, NumericValue]>,
  name = 'archive',
): Uint8Array[] {
  const arrays = [...tensors];
  const items = arrays.flatMap(([key, array], index) => [text(key), rebuild(index, array)]);
  const pickle = joined([code('\x80\x02'), orderedDict, code('('), ...items, code('u.')]);
  const members: [string, Uint8Array[]][] = [
    [`${name}/data.pkl`, [pickle]],
    [`${name}/byteorder`, [code('little')]],
  ];
  for (const [index, [, array]] of arrays.entries())
    members.push([`${name}/data/${index}`, [bytesView(array)]]);
  members.push([`${name}/version`, [code('3\n')]]);
  return zipPieces(members, { align: 64 });
}
