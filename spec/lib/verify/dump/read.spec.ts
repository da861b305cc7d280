/** Dumps as they lie on a disk: one file, a folder of arrays, a folder of runs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { encodeTensor, tensorProto } from '../../../../export/proto.ts';
import type { NumericValue } from '../../../../lib/array/value.ts';
import { writeNpy } from '../../../../lib/format/npy.ts';
import { type Dump, readDump } from '../../../../lib/verify/dump/read.ts';
import { f32, refusal, tensorOf } from '../../../support/onnx.ts';
import { writeNpz, writeSafetensors } from '../../../support/tensor-bytes.ts';

const value = (...data: number[]) => f32(data) as NumericValue;
const pb = (name: string, ...data: number[]) => encodeTensor(tensorOf(f32(data), name));

describe('a dump on a disk', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-dump-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  let count = 0;
  const put = (files: Readonly<Record<string, Uint8Array | string>>): string => {
    const path = join(folder, `${count++}`);
    mkdirSync(path);
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes);
    return path;
  };
  const told = (dumps: readonly Dump[]) =>
    dumps.map((dump) =>
      Object.fromEntries([...dump].map(([name, { data }]) => [name, [...data].map(Number)])),
    );
  const refused = (path: string) => refusal(() => readDump(path));

  it('a folder of arrays: each by its file, a tensor that bears a name by that; other files are passed over', async () => {
    const path = put({
      ...{ 'conv1.npy': writeNpy(value(1, 2)), 'a.PB': pb('fc', 3), 'b.pb': pb('', 4) },
      ...{ 'notes.txt': 'x' },
    });
    expect(told(await readDump(path))).to.deep.equal([{ fc: [3], b: [4], conv1: [1, 2] }]);
  });

  it('a folder of many arrays a file: a run each, numbers in order', async () => {
    const path = put({
      'run10.npz': writeNpz([['x', value(10)]]),
      'run9.safetensors': writeSafetensors([['x', value(9)]]),
    });
    expect(told(await readDump(path))).to.deep.equal([{ x: [9] }, { x: [10] }]);
    expect(told(await readDump(join(path, 'run10.npz')))).to.deep.equal([{ x: [10] }]);
  });

  it('values that were halves before they were written down are halves again, those that are named', async () => {
    const path = put({ 'x.npy': writeNpy(value(1.5)), 'y.npy': writeNpy(value(2)) });
    const [dump] = await readDump(path, { x: 'float16' });
    expect(dump.get('x')).to.deep.equal({ dtype: 'float16', shape: [1], data: Uint16Array.of(0x3e00) });
    expect(dump.get('y')!.dtype).to.equal('float32');
    // what is a half already stays as it is
    const half = { dtype: 'float16', shape: [1], data: Uint16Array.of(1) } as const;
    const [own] = await readDump(put({ 'x.npy': writeNpy(half) }), { x: 'bfloat16' });
    expect(own.get('x')).to.deep.equal(half);
  });

  it('what cannot be told apart is refused: both kinds of files, a name twice, nothing, strings', async () => {
    const both = put({ 'a.npy': writeNpy(value(1)), 'b.npz': writeNpz([['x', value(1)]]) });
    expect(await refused(both)).to.include(
      `${both}: it holds b.npz and a.npy: files of one array or of many, not both`,
    );
    const twice = put({ 'x.npy': writeNpy(value(1)), 'y.pb': pb('x', 2) });
    expect(await refused(twice)).to.equal(`${join(twice, 'y.pb')}: 'x' is there twice`);
    expect(await refused(put({ 'a.txt': '' }))).to.match(/it holds no \.npy, \.pb, \.npz or \.safetensors$/);
    const text = tensorProto({ name: 's', dataType: 8, dims: [1], stringData: [Uint8Array.of(65)] });
    expect(await refused(put({ 's.pb': encodeTensor(text) }))).to.match(
      /s\.pb: strings are no values of a network/,
    );
    expect(await refused(join(folder, 'none'))).to.match(/none: no such file$/);
  });
});
