/**
 * NumPy's files. Source: numpy.lib.format.
 *
 *   .npy   '\x93NUMPY', version, length, a Python dict literal {descr, fortran_order, shape}, then the raw values
 *          (versions 1.0: 16-bit length, latin-1; 2.0: 32-bit length; 3.0: UTF-8)
 *   .npz   a zip archive of .npy files, stored (np.savez) or deflated (np.savez_compressed)
 *
 * Read: both byte orders, C and Fortran order, bool, float16/32/64 and integers. Written: version 1.0, little-endian,
 * C order. An object array is a pickle; `npyPickle` gives its bytes, which only lib/format/pickle.ts may look at.
 */

import { joined } from '../../export/wire.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { bytesOf, codeOf, dtypeOfCode, viewAs } from '../array/dtype.ts';
import {
  byteSize,
  bytesView,
  fortranStrides,
  type LazyValue,
  type NumericValue,
  swapBytes,
  toRowMajor,
} from '../array/value.ts';
import { InputError } from '../errors.ts';
import { adopt, bad, type Source, section } from './source.ts';
import { fromLatin1, fromUtf8, GENERATOR, toLatin1 } from './strings.ts';
import { type Member, readZip, zipPieces } from './zip.ts';

const MAGIC = '\x93NUMPY';
const LONGEST_HEADER = 65_536;
const MOST_AXES = 64;

/** True for bytes that start as a .npy does. */
export const isNpy = (start: Uint8Array): boolean => fromLatin1(start.subarray(0, 6)) === MAGIC;

/** The header's three entries, and where the values start. */
function readHeader(source: Source) {
  const start = source.read(0, Math.min(source.size, 12));
  if (!isNpy(start) || start.length < 10) throw bad(source, 'not a .npy file');
  const [major, minor] = start.subarray(6, 8);
  if (major < 1 || major > 3)
    throw bad(source, `.npy version ${major}.${minor} is not known (1.0 to 3.0 are)`);
  const wide = major > 1;
  if (wide && start.length < 12) throw bad(source, 'truncated in the .npy header');
  const v = new DataView(start.buffer, start.byteOffset, start.length);
  const length = wide ? v.getUint32(8, true) : v.getUint16(8, true);
  if (length > LONGEST_HEADER) throw bad(source, `the .npy header claims ${length} bytes (at most 65,536)`);
  const at = wide ? 12 : 10;
  const text = (major === 3 ? fromUtf8 : fromLatin1)(source.read(at, length));
  return { ...parse(source, text), start: at + length };
}

const field = (text: string, name: string, value: string): string | undefined =>
  new RegExp(`[{,]\\s*['"]${name}['"]\\s*:\\s*(${value})\\s*[,}]`).exec(text)?.[1];

function parse(source: Source, text: string) {
  const descr = field(text, 'descr', `'[^']*'|"[^"]*"`);
  const fortran = field(text, 'fortran_order', 'True|False');
  const shape = field(text, 'shape', '\\([0-9,\\sL]*\\)');
  if (!descr && field(text, 'descr', '\\[.*\\]'))
    throw bad(source, 'records (structured arrays) are not read');
  if (!descr || !fortran || !shape)
    throw bad(source, `the .npy header is not understood: ${text.slice(0, 120)}`);
  const extents = shape.match(/\d+/g)?.map(Number) ?? [];
  if (extents.length > MOST_AXES) throw bad(source, `${extents.length} axes (at most ${MOST_AXES})`);
  return { descr: descr.slice(1, -1), fortran: fortran === 'True', shape: extents };
}

/** The array in the file, its values still unread. Throws InputError for anything but a sound .npy of numbers. */
export function openNpy(source: Source): LazyValue {
  const { descr, fortran, shape, start } = readHeader(source);
  const dtype = dtypeOfCode(descr.slice(1), 'numpy');
  if (descr.slice(1) === 'O') throw bad(source, 'an array of Python objects, not of numbers');
  if (!dtype || !'<>|='.includes(descr[0])) throw bad(source, `values of type '${descr}' are not read`);
  const size = byteSize(dtype, shape);
  if (Number.isNaN(size) || size > source.size - start) {
    const there = source.size - start;
    throw bad(source, `truncated: shape [${shape}] of ${dtype} needs ${size} bytes, ${there} are there`);
  }
  const read = (): NumericValue => {
    const bytes = source.read(start, size);
    if (descr[0] === '>') swapBytes(bytes, bytesOf(dtype));
    const data = viewAs(dtype, bytes);
    const reorder = fortran && shape.filter((extent) => extent !== 1).length > 1;
    return { dtype, shape, data: reorder ? toRowMajor(data, shape, fortranStrides(shape)) : data };
  };
  return { dtype, shape, read };
}

/** The pickle of an object array, in the file, or null if the file holds numbers. */
export function npyPickle(source: Source): Source | null {
  const { descr, start } = readHeader(source);
  return descr.slice(1) === 'O' ? section(source, start, source.size - start) : null;
}

/**
 * The file in two pieces: header and values, the latter not copied. Throws InputError for bfloat16, which
 * NumPy lacks.
 */
export function npyPieces({ dtype, shape, data }: NumericValue): [Uint8Array, Uint8Array] {
  const code = codeOf(dtype, 'numpy');
  if (!code) throw new InputError(`.npy has no ${dtype}: convert to float32 first`);
  if (data.length !== sizeOf(shape))
    throw new Error(`npy: shape [${shape}] does not fit ${data.length} values`);
  const descr = `${bytesOf(dtype) === 1 ? '|' : '<'}${code}`;
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${extents}), }`;
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64 - 10;
  const header = toLatin1(`${`${MAGIC}\x01\x00__${dict}`.padEnd(9 + length)}\n`);
  new DataView(header.buffer).setUint16(8, length, true);
  return [header, bytesView({ dtype, shape, data })];
}

/** The bytes of a .npy file. */
export const writeNpy = (array: NumericValue): Uint8Array => joined(npyPieces(array));

// ---- .npz

/**
 * The arrays of an archive by name (without '.npy'), values unread. Throws InputError for anything but a
 * sound .npz. Members that are not .npy are passed over.
 */
export function openNpz(source: Source, members = readZip(source)): ReadonlyMap<string, LazyValue> {
  const arrays = new Map<string, LazyValue>();
  for (const member of members.values()) {
    if (!member.name.endsWith('.npy')) continue;
    arrays.set(member.name.slice(0, -4), openMember(source, member));
  }
  if (arrays.size === 0) throw bad(source, 'a zip archive without .npy members');
  return arrays;
}

/** Bytes of a member that are fetched to learn its type and shape. */
const HEAD = 4096;

function openMember(source: Source, member: Member): LazyValue {
  const name = `${source.name}, array '${member.name.slice(0, -4)}'`;
  const { dtype, shape } = openNpy(adopt(member.head(HEAD), name, member.size));
  const from = (bytes: Uint8Array<ArrayBuffer>) => openNpy(adopt(bytes, name)).read();
  const read = () => from(member.read());
  return member.stored
    ? { dtype, shape, read }
    : { dtype, shape, read, fetch: async () => from(await member.fetch()) };
}

/** The archive in pieces, the values not copied. Its comment names this program. */
export const npzPieces = (arrays: Iterable<readonly [string, NumericValue]>): Uint8Array[] =>
  zipPieces(
    [...arrays].map(([name, array]) => [`${name}.npy`, npyPieces(array)] as const),
    { comment: GENERATOR },
  );
