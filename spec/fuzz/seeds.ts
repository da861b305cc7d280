/**
 * Small sound files of every format that lib/format reads, and hostile ones, from which the damaged ones
 * are made.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { framed, framedText } from '../../export/wire.ts';
import type { NumericValue } from '../../lib/array/value.ts';
import { blobPieces, caffemodelPieces } from '../../lib/format/caffemodel.ts';
import { pthPieces } from '../../lib/format/pth.ts';
import { zipPieces } from '../../lib/format/zip.ts';
import { writeDeflatedNpz, writeNpz, writeSafetensors } from '../support/tensor-bytes.ts';

const folder = new URL('../../fixtures/format/', import.meta.url);
const fixture = (name: string): Buffer => readFileSync(new URL(name, folder));
const files = (name: string): [string, Buffer][] =>
  readdirSync(new URL(`${name}/`, folder)).map((file) => [`${name}/${file}`, fixture(`${name}/${file}`)]);

const arrays: [string, NumericValue][] = [
  [
    'conv1.weight',
    { dtype: 'float32', shape: [2, 3, 2, 2], data: new Float32Array(24).map((_, i) => i / 4) },
  ],
  ['conv1.bias', { dtype: 'float64', shape: [2], data: Float64Array.of(1, -2) }],
];
const blobs = arrays.map(([, array]) => array);

/** The old layout, which is read but not written: layers = 2 {name = 4, type = 5, blobs = 6}, 4-d shapes. */
function version1(): Buffer {
  const blob = framed(6, [
    ...[2, 3, 2, 2].map((extent, axis) => Uint8Array.of(8 * (axis + 1), extent)),
    ...framed(5, [new Uint8Array(96)]),
  ]);
  return Buffer.concat([
    ...framedText(1, 'net'),
    ...framed(2, [...framedText(4, 'conv1'), Uint8Array.of(8 * 5, 4), ...blob]),
  ]);
}

async function hdf5(): Promise<Buffer> {
  const { ready, File } = await import('h5wasm');
  const { FS } = (await ready) as unknown as {
    FS: { readFile(path: string): Uint8Array; unlink(path: string): void };
  };
  const file = new File('/seed.h5', 'w');
  const data = file.create_group('data').create_group('conv1');
  for (const [index, { shape, data: values }] of blobs.entries()) {
    data.create_dataset({ name: String(index), data: values as Float32Array, shape: [...shape] });
  }
  data.create_dataset({
    name: 'packed',
    data: new Float32Array(64),
    shape: [64],
    chunks: [16],
    compression: 6,
  } as never);
  file.close();
  const bytes = Buffer.from(FS.readFile('/seed.h5'));
  FS.unlink('/seed.h5');
  return bytes;
}

/** Files that would run something, or open something. */
function hostile(): [string, Buffer][] {
  const external = (path: string): [string, Buffer] => {
    const model = fixture('weights/onnx/external.onnx').toString('latin1').replaceAll('external.bin', path);
    return [`external data ${path}`, Buffer.from(model, 'latin1')];
  };
  const pickle = (text: string) => Buffer.from(text, 'latin1');
  const pth = (data: Buffer) =>
    Buffer.concat(
      zipPieces([
        ['a/data.pkl', [data]],
        ['a/version', [Buffer.from('3\n')]],
      ]),
    );
  const run = "cposix\nsystem\n(S'touch FUZZ_WAS_HERE'\ntR.";
  return [
    external('/etc//passwd'),
    external('../../../etc'),
    ['pickle that runs', pickle(`\x80\x02${run}`)],
    ['pth that runs', pth(pickle(run))],
    ['pickle bomb', pickle(`\x80\x02${']q\x00'}${'(h\x00h\x00tq\x00'.repeat(200)}.`)],
    ['deep pickle', pickle(`\x80\x02${'('.repeat(2000)}${'t'.repeat(2000)}.`)],
    [
      'deep JSON',
      Buffer.concat([Buffer.from([0, 16, 0, 0, 0, 0, 0, 0]), Buffer.from(`{"a":${'['.repeat(4091)}`)]),
    ],
    [
      'nested protobuf',
      Array.from({ length: 200 }).reduce<Buffer>(
        (inner) => Buffer.concat(framed(7, [inner])),
        Buffer.from([8, 8]),
      ),
    ],
    [
      'path tricks',
      Buffer.concat(zipPieces([['../../../../FUZZ_WAS_HERE.npy', [fixture('npy/little-f4.npy')]]])),
    ],
  ];
}

/**
 * Files that would become far more than they are: 128 MiB of zeros deflated, a million dictionaries. Each
 * takes a while.
 */
export function bombs(): [string, Buffer][] {
  const zeros: NumericValue = { dtype: 'float32', shape: [2 ** 25], data: new Float32Array(2 ** 25) };
  const dictionaries = Buffer.from(`\x80\x02(${'}'.repeat(1e6)}t.`, 'latin1');
  const archive = zipPieces([
    ['a/data.pkl', [dictionaries]],
    ['a/version', [Buffer.from('3\n')]],
  ]);
  return [
    ['zip bomb', Buffer.from(writeDeflatedNpz([['a', zeros]]))],
    ['pickle of dictionaries', dictionaries],
    ['pth of dictionaries', Buffer.concat(archive)],
    ['pickle of marks', Buffer.from(`\x80\x02${'('.repeat(1e6)}.`, 'latin1')],
  ];
}

/** Name and bytes of each, by format. */
export async function seeds(): Promise<[string, Buffer][]> {
  return [
    ...files('npy'),
    ...files('pth'),
    ...files('weights/onnx'),
    ['stored.npz', fixture('stored.npz')],
    ['deflated.npz', fixture('deflated.npz')],
    ['guerzhoy.npy', fixture('weights/guerzhoy.npy')],
    ['guerzhoy3.npy', fixture('weights/guerzhoy3.npy')],
    ['cuda-convnet.pkl', fixture('weights/cuda-convnet.pkl')],
    ['our.safetensors', Buffer.from(writeSafetensors(arrays, new Map([['network', 'x']])))],
    ['our.npz', Buffer.from(writeNpz(arrays))],
    ['our.pth', Buffer.concat(pthPieces(arrays))],
    ['our.caffemodel', Buffer.concat(caffemodelPieces([['conv1', 'Convolution', blobs]], 'net'))],
    ['v1.caffemodel', version1()],
    ['mean.binaryproto', Buffer.concat(blobPieces(blobs[0]))],
    ['our.h5', await hdf5()],
    ...hostile(),
  ];
}
