/**
 * A file of tensors in any format. Opened, the format is told by the content, never by the name; written, the name's
 * ending asks for it.
 */

import { fields } from '../../export/wire.ts';
import type { NumericDType } from '../array/dtype.ts';
import { floatValue, type LazyValue, type NumericValue, widen } from '../array/value.ts';
import { blobPieces, openBinaryproto, openCaffemodel } from './caffemodel.ts';
import { isHdf5, openHdf5 } from './hdf5.ts';
import { isNpy, npyPickle, npyPieces, npzPieces, openNpy, openNpz } from './npy.ts';
import { openOnnx } from './onnx.ts';
import { mergeTowers, openObjectNpy, readPickle } from './pickled.ts';
import { LEGACY_MAGIC, openLegacyCheckpoint, openZipCheckpoint, pthPieces } from './pth.ts';
import { openSafetensors, safetensorsPieces } from './safetensors.ts';
import { about, bad, type Source } from './source.ts';
import { adviceFor, adviceForArchive } from './strangers.ts';
import { fromLatin1 } from './strings.ts';
import { readZip } from './zip.ts';

export interface TensorFile {
  /** 'npz', 'PyTorch zip'. */
  readonly format: string;
  /** By the file's own names, values unread. */
  readonly tensors: ReadonlyMap<string, LazyValue>;
  /** What the file says about itself. */
  readonly metadata: ReadonlyMap<string, string>;
  /** What was passed over, one line each. */
  readonly notes: readonly string[];
  /** Names of fully connected weights that the file is known to hold as (in, out). */
  readonly inOut: ReadonlySet<string>;
  /** Names of those whose inputs are known to be maps in the order H,W,C. */
  readonly mapsLast?: ReadonlySet<string>;
  close(): void;
}

type Opened = Pick<TensorFile, 'format' | 'tensors'> & Partial<TensorFile>;

/**
 * The tensors of an open source, which `close` closes. Throws InputError naming it where it is damaged or
 * of no known format.
 */
export async function openTensors(source: Source): Promise<TensorFile> {
  try {
    const opened = await dispatch(source);
    const close = () => {
      opened.close?.();
      source.close();
    };
    return { metadata: new Map(), notes: [], inOut: new Set(), ...opened, close };
  } catch (error) {
    source.close();
    throw error;
  }
}

async function dispatch(source: Source): Promise<Opened> {
  if (source.size === 0) throw bad(source, 'the file is empty');
  const start = source.read(0, Math.min(source.size, 512));
  const text = fromLatin1(start);
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return zip(source);
  if (isNpy(start)) return npy(source);
  if (isHdf5(start)) return hdf5(source);
  if (text[8] === '{') return { format: 'safetensors', ...openSafetensors(source) };
  if (text.startsWith(LEGACY_MAGIC)) return { format: 'PyTorch legacy', ...openLegacyCheckpoint(source) };
  const advice = adviceFor(text);
  if (advice) throw bad(source, advice);
  const isPickle = (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5) || OLD_PICKLE.test(text);
  return isPickle ? openPickle(source) : protobuf(source);
}

/** How a pickle of protocol 0 or 1 starts: a dictionary, a list or a class. */
const OLD_PICKLE = /^(?:[(}][dlpq]|c[\w.]+\n[\w.]+\n)/;

/** What Keras keeps beside the weights: the optimiser's state. */
const OPTIMISER = /^(?:optimizer_weights|optimizer)\//;

async function hdf5(source: Source): Promise<Opened> {
  const opened = await openHdf5(source);
  const tensors = [...opened.tensors].filter(([name]) => !OPTIMISER.test(name));
  const rest = opened.tensors.size - tensors.length;
  if (tensors.length === 0 || rest === 0) return { format: 'HDF5', ...opened };
  return {
    format: 'HDF5',
    ...opened,
    tensors: new Map(tensors),
    notes: [`passed over: the optimiser's ${rest}`],
  };
}

function zip(source: Source): Opened {
  const members = readZip(source);
  const names = [...members.keys()];
  const advice = adviceForArchive(names);
  if (advice) throw bad(source, advice);
  if (names.some((name) => name.endsWith('data.pkl'))) {
    return { format: 'PyTorch zip', ...openZipCheckpoint(source, members) };
  }
  return { format: 'npz', tensors: openNpz(source, members) };
}

function npy(source: Source): Opened {
  const objects = npyPickle(source);
  if (objects) {
    return { format: 'npy of objects', tensors: openObjectNpy(source, objects) };
  }
  return { format: 'npy', tensors: new Map([['array', openNpy(source)]]) };
}

/** cuda-convnet's checkpoint, or a dictionary of arrays. */
function openPickle(source: Source): Opened {
  const { layers, arrays } = readPickle(source);
  if (arrays) return { format: 'pickle', tensors: arrays };
  const merged = about(source.name, () => mergeTowers(layers));
  return { format: 'cuda-convnet', ...merged, inOut: new Set(merged.tensors.keys()) };
}

/** Fields that are looked at to tell one message from another. */
const ENOUGH = 1000;

/** ModelProto, NetParameter or BlobProto, told by the fields at the top. */
function protobuf(source: Source): Opened {
  const seen = new Set<string>();
  try {
    let left = ENOUGH;
    for (const { number, wire } of fields(source)) {
      seen.add(`${number}/${wire}`);
      if (--left === 0) break;
    }
  } catch {
    if (seen.size === 0) throw unknown(source);
  }
  if (seen.has('1/0') && seen.has('7/2') && !seen.has('5/2')) return { format: 'ONNX', ...openOnnx(source) };
  if (seen.has('100/2') || (seen.has('2/2') && !seen.has('1/0'))) {
    return { format: 'caffemodel', tensors: openCaffemodel(source) };
  }
  if (['5/2', '5/5', '8/2', '8/1'].some((field) => seen.has(field))) {
    return { format: 'binaryproto', tensors: new Map([['mean', openBinaryproto(source)]]) };
  }
  throw unknown(source);
}

const KNOWN = '.safetensors, .npz, .npy, .pth, .caffemodel, .h5, .onnx, cuda-convnet';

const unknown = (source: Source) => bad(source, `no known format of arrays or weights (${KNOWN})`);

// ---- writing

export const tensorEndings = ['safetensors', 'npz', 'pth', 'pt', 'npy', 'binaryproto'] as const;
type TensorEnding = (typeof tensorEndings)[number];

type Named = readonly (readonly [name: string, value: NumericValue])[];

/**
 * The pieces of the file; types that the format lacks are widened, exactly, and a line for each is added to `notes`.
 * Only .safetensors holds metadata, only one tensor fits into .npy and .binaryproto. Throws where it does not fit.
 */
export function tensorPieces(
  ending: TensorEnding,
  tensors: Named,
  notes: string[],
  metadata?: ReadonlyMap<string, string>,
): Uint8Array[] {
  switch (ending) {
    case 'safetensors':
      return safetensorsPieces(tensors, metadata);
    case 'npz':
      return npzPieces(supported(tensors, ['bfloat16'], notes));
    case 'pth':
    case 'pt':
      return pthPieces(supported(tensors, ['uint16', 'uint32', 'uint64'], notes));
  }
  if (tensors.length !== 1)
    throw new Error(`one array is written as .${ending}, ${tensors.length} are there`);
  const [[, value]] = tensors;
  return ending === 'npy' ? npyPieces(value) : blobPieces(value);
}

function supported(tensors: Named, lacking: readonly NumericDType[], notes: string[]): Named {
  return tensors.map(([name, value]) => {
    if (!lacking.includes(value.dtype)) return [name, value] as const;
    const wide = floatValue(widen(value), value.shape);
    notes.push(`${name}: ${value.dtype} widened to ${wide.dtype}, exactly`);
    return [name, wide] as const;
  });
}
