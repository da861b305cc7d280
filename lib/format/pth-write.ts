/**
 * Writes a state dict as PyTorch's zip checkpoint: data.pkl (protocol 2: an OrderedDict of
 * _rebuild_tensor_v2), a storage a tensor aligned to 64 bytes, byteorder, version 3. What torch.load(…,
 * weights_only=True) reads.
 */

import { joined } from '../../export/write.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { codeOf } from '../array/dtype.ts';
import { bytesView, type NumericValue } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { toLatin1, toUtf8 } from './strings.ts';
import { zipPieces } from './zip.ts';

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
