/**
 * Writes a state dict as PyTorch's zip checkpoint: data.pkl (protocol 2: an OrderedDict of
 * _rebuild_tensor_v2), a storage a tensor aligned to 64 bytes, byteorder, version 3. What torch.load(…,
 * weights_only=True) reads.
 */
import { sizeOf } from '../../reference/tensor.ts';
import { codeOf } from '../array/dtype.ts';
import { bytesView, type NumericValue } from '../array/value.ts';
import { InputError } from '../errors.ts';
import { zipPieces } from './zip.ts';

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(5, 'J');
  bytes.writeInt32LE(value, 1);
  return bytes;
};
/** An integer: 32 bits where they suffice, else LONG1. */
function integer(value: number): Buffer {
  if (value < 2 ** 31) return int32(value);
  const bytes = Buffer.alloc(10);
  bytes[0] = 0x8a;
  bytes[1] = 8;
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}
function text(value: string): Buffer {
  const utf8 = Buffer.from(value, 'utf8');
  const head = Buffer.alloc(5, 'X');
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}
const code = (letters: string): Buffer => Buffer.from(letters, 'latin1');
const tuple = (items: readonly Buffer[]): Buffer => Buffer.concat([code('('), ...items, code('t')]);
const global = (module: string, name: string): Buffer => code(`c${module}\n${name}\n`);
const orderedDict = Buffer.concat([global('collections', 'OrderedDict'), code(')R')]);

function rebuild(key: number, { dtype, shape }: NumericValue): Buffer {
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
    Buffer.concat([id, code('Q')]),
    integer(0),
    tuple(shape.map(integer)),
    tuple(strides.map(integer)),
    code('\x89'),
    orderedDict,
  ];
  return Buffer.concat([global('torch._utils', '_rebuild_tensor_v2'), tuple(args), code('R')]);
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
  const pickle = Buffer.concat([code('\x80\x02'), orderedDict, code('('), ...items, code('u.')]);
  const members: [string, Uint8Array[]][] = [
    [`${name}/data.pkl`, [pickle]],
    [`${name}/byteorder`, [code('little')]],
  ];
  for (const [index, [, array]] of arrays.entries())
    members.push([`${name}/data/${index}`, [bytesView(array)]]);
  members.push([`${name}/version`, [code('3\n')]]);
  return zipPieces(members, { align: 64 });
}
