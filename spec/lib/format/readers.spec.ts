/** What every reader owes: a flipped byte is noticed where there is a checksum, byte orders are read, files closed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { File, ready } from 'h5wasm';
import { joined } from '../../../export/index.ts';
import type { NumericValue } from '../../../lib/array/value.ts';
import { openDataset } from '../../../lib/data/open.ts';
import { readTensors, writeTensors } from '../../../lib/disk/tensors.ts';
import { evaluate } from '../../../lib/evaluate/index.ts';
import { fromBytes } from '../../../lib/format/source.ts';
import { readZip, zipPieces } from '../../../lib/format/zip.ts';
import { exportOnnx } from '../../../lib/networks/export.ts';
import { readModel } from '../../../lib/onnx/read.ts';
import { run } from '../../../lib/onnx/run.ts';
import { convertWeights } from '../../../lib/weights/convert.ts';
import { diffWeights } from '../../../lib/weights/diff.ts';
import { inspectWeights } from '../../../lib/weights/inspect.ts';
import { fixture, refusal } from '../../support/data-fixtures.ts';
import { descriptors } from '../../support/descriptors.ts';
import { skipBecause } from '../../support/skip.ts';

const floats = (...values: number[]): NumericValue => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const tensors: Readonly<Record<string, NumericValue>> = {
  a: floats(1, -2, 3.5),
  half: { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c01, 0xc000) },
  count: { dtype: 'int64', shape: [2], data: BigInt64Array.of(7n, -(2n ** 40n)) },
  b: floats(0.1, 1e-40),
};

describe('readers', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'readers-'));
    for (const name of ['t.pth', 't.npz', 't.safetensors']) await writeTensors(path(name), tensors);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const name of ['t.pth', 't.npz'])
    it(`${name}: one flipped byte in any storage is noticed`, async () => {
      const whole = readFileSync(path(name));
      let storages = 0;
      for (const [member, { size }] of readZip(fromBytes(whole, name))) {
        if (!/data\/\d+$|\.npy$/.test(member)) continue;
        storages++;
        const values = readZip(fromBytes(whole, name)).get(member)!.read();
        const damaged = Buffer.from(whole);
        const at = whole.indexOf(values) + size - 1;
        damaged[at] ^= 1;
        expect(await refusal(() => readTensors(damaged)), member).to.match(
          /is damaged \(its checksum is wrong\)/,
        );
      }
      expect(storages).to.equal(4);
    });

  it('zip64: sizes and place stand in their own extra field, wherever among the others it is', () => {
    const whole = Buffer.from(joined(zipPieces([['a', [Uint8Array.of(1, 2, 3)]]])));
    const end = whole.length - 22;
    const directory = whole.subarray(whole.readUInt32LE(end + 16), end);
    const header = directory.readUInt32LE(42);
    const widened = Buffer.from(directory.subarray(0, 47));
    for (const at of [20, 24, 42]) widened.writeUInt32LE(0xffffffff, at);
    // a time of 5 bytes (0x5455), and then 3 numbers of 8: size, compressed size, place
    const extra = Buffer.alloc(9 + 28, 255);
    extra.set([0x55, 0x54, 5, 0]);
    extra.set([1, 0, 24, 0], 9);
    for (const [i, value] of [3, 3, header].entries()) extra.writeBigUInt64LE(BigInt(value), 13 + 8 * i);
    widened.writeUInt16LE(extra.length, 30);
    const tail = Buffer.from(whole.subarray(end));
    tail.writeUInt32LE(widened.length + extra.length, 12);
    const wide = Buffer.concat([
      whole.subarray(0, whole.length - 22 - directory.length),
      widened,
      extra,
      tail,
    ]);
    expect([...readZip(fromBytes(wide, 'wide.zip')).get('a')!.read()]).to.deep.equal([1, 2, 3]);
  });

  it('t.pth: a flipped byte is noticed by a tensor that takes another part of the storage', async () => {
    const storage =
      '(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ';
    const part = `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x01(K\x02t(K\x01ttR`;
    const pickle = Buffer.from(`\x80\x02}(X\x01\x00\x00\x00a${part}u.`, 'latin1');
    const values = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const whole = Buffer.from(
      joined(
        zipPieces([
          ['m/data.pkl', [pickle]],
          ['m/data/0', [values]],
        ]),
      ),
    );
    expect([...(await readTensors(whole)).get('a')!.data]).to.deep.equal([2, 3]);
    whole[whole.indexOf(values) + 15] ^= 1;
    expect(await refusal(() => readTensors(whole))).to.match(/is damaged \(its checksum is wrong\)/);
  });

  it('.pth: big-endian storages, of every width', async () => {
    const widths = [4, 2, 8, 4];
    const members = [...readZip(fromBytes(readFileSync(path('t.pth')), 't.pth'))].map(([name, member]) => {
      const bytes = Buffer.from(member.read());
      const [, key] = /data\/(\d+)$/.exec(name) ?? [];
      if (name.endsWith('byteorder')) return [name, [Buffer.from('big')]] as const;
      if (key === undefined) return [name, [bytes]] as const;
      const swap = { 2: 'swap16', 4: 'swap32', 8: 'swap64' } as const;
      return [name, [bytes[swap[widths[Number(key)] as 2]]()]] as const;
    });
    const read = await readTensors(joined(zipPieces(members, { align: 64 })));
    for (const [name, value] of Object.entries(tensors))
      expect(read.get(name)!.data, name).to.deep.equal(value.data);
  });

  it('.pth, legacy: little-endian on every machine, though its system info says otherwise', async () => {
    // torch/csrc/serialization.cpp, writeFileRaw: lengths and values are turned round on a big-endian machine
    const long = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';
    const system = '}(X\x0d\x00\x00\x00little_endian\x89X\x10\x00\x00\x00protocol_versionM\xe9\x03u';
    const storage =
      '(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x03NtQ';
    const object = `}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00K\x03\x85K\x01\x85\x89}tRs`;
    const pickles = [long, 'M\xe9\x03', system, object, ']X\x01\x00\x00\x007a'];
    const head = pickles.map((pickle) => `\x80\x02${pickle}.`).join('');
    // 3 values: 1, −2, 3.5
    const values = '\x03\0\0\0\0\0\0\0' + '\0\0\x80\x3f' + '\0\0\0\xc0' + '\0\0\x60\x40';
    const read = await readTensors(Buffer.from(head + values, 'latin1'));
    expect([...read.get('a')!.data]).to.deep.equal([1, -2, 3.5]);
    // a length of 3 as an older PyTorch on such a machine wrote it
    const turned = Buffer.from(`${head}\0\0\0\0\0\0\0\x03${values.slice(8)}`, 'latin1');
    expect(await refusal(() => readTensors(turned))).to.match(/^[^\n]+$/);
  });

  it('HDF5: one flipped byte below a Fletcher checksum is noticed', async () => {
    const values = Float32Array.of(1, -2, 3.5);
    // filter 3 of HDF5 is fletcher32: four bytes behind the chunk
    const whole = await hdf5(values, { chunks: [3], compression: 3, compression_opts: [] });
    expect([...(await readTensors(whole)).get('x')!.data]).to.deep.equal([...values]);
    const start = whole.indexOf(Buffer.from(values.buffer));
    for (let at = start; at < start + 16; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 1;
      expect(await refusal(() => readTensors(damaged)), `byte ${at - start}`).to.match(
        /^bytes: damaged HDF5 file \(unreadable values\)$/,
      );
    }
  });

  it('HDF5: big-endian floats', async () => {
    const bytes = await hdf5(Float32Array.of(1, -2, 3.5));
    // the datatype message: class 1, little-endian, sign bit 31, 4 bytes; bit 0 of the second byte is the order
    const message = bytes.indexOf(Buffer.from([0x11, 0x20, 0x1f, 0, 4, 0, 0, 0]));
    resealed(bytes, () => {
      bytes[message + 1] |= 1;
    });
    const values = bytes.indexOf(Buffer.from(Float32Array.of(1, -2, 3.5).buffer));
    bytes.subarray(values, values + 12).swap32();
    expect([...(await readTensors(bytes)).get('x')!.data]).to.deep.equal([1, -2, 3.5]);
  });

  it('an encrypted member is called so', async () => {
    const bytes = Buffer.from(readFileSync(path('t.npz')));
    const record = bytes.indexOf(Buffer.from('PK\x01\x02', 'latin1'));
    bytes[record + 8] |= 1;
    expect(await refusal(() => readTensors(bytes))).to.match(/'a\.npy' is encrypted$/);
  });

  it('every file is closed again, whether it was good or bad', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'descriptors are counted in /proc');
    const network = 'cifar10-full';
    const model = path('apart.onnx');
    const made = await exportOnnx(model, { network, seed: 1, externalData: true });
    expect(made.externalData).to.equal('apart.onnx.data');
    await convertWeights(model, path('w.safetensors'), { network });
    writeFileSync(path('bad.npz'), readFileSync(path('t.npz')).subarray(0, 300));
    writeFileSync(path('bad.safetensors'), readFileSync(path('t.safetensors')).subarray(0, 60));
    const x: NumericValue = { dtype: 'float32', shape: [1, 3, 32, 32], data: new Float32Array(3072) };
    const files = [
      't.pth',
      't.npz',
      't.safetensors',
      'bad.npz',
      'bad.safetensors',
      'w.safetensors',
      'none.npz',
    ];
    const work: readonly (() => Promise<unknown>)[] = [
      ...files.map((name) => () => readTensors(path(name))),
      () => readTensors(model),
      () => readModel(model),
      () => run(model, { input: { input: x } }),
      () => inspectWeights(path('w.safetensors'), network),
      () => diffWeights(path('w.safetensors'), model, network),
      () => convertWeights(model, path('again.npz'), { network, force: true }),
      () => convertWeights(path('bad.npz'), path('never.npz'), {}),
      async () => (await openDataset(fixture('mnist'))).close(),
      async () => (await openDataset(fixture('cifar'))).close(),
      () =>
        evaluate({
          data: fixture('cifar'),
          network,
          weights: path('w.safetensors'),
          engine: 'oracle',
          threads: 1,
        }),
    ];
    // specs that ran in this process before may have left some of the fixtures open
    const before = descriptors(folder);
    for (const [at, job] of work.entries()) {
      await job().catch(() => {});
      expect(descriptors(folder), `${at}: ${job}`).to.deep.equal(before);
    }
  });
});

/** What the library itself writes: one dataset, 'x'. */
async function hdf5(data: Float32Array, layout: object = {}): Promise<Buffer> {
  const { FS } = (await ready) as unknown as {
    FS: { readFile(path: string): Uint8Array; unlink(path: string): void };
  };
  const file = new File('/written.h5', 'w');
  file.create_dataset({ name: 'x', data, shape: [data.length], ...layout });
  file.close();
  const bytes = Buffer.from(FS.readFile('/written.h5'));
  FS.unlink('/written.h5');
  return bytes;
}

/** Changes an object header of HDF5 and gives it its checksum anew, which follows it. */
function resealed(bytes: Buffer, change: () => void): void {
  const start = bytes.indexOf('OHDR', bytes.indexOf('OHDR') + 4);
  let end = start + 16;
  while (lookup3(bytes.subarray(start, end)) !== bytes.readUInt32LE(end)) end++;
  change();
  bytes.writeUInt32LE(lookup3(bytes.subarray(start, end)), end);
}

/** Bob Jenkins' lookup3 (hashlittle, from 0), HDF5's checksum of metadata. */
function lookup3(key: Uint8Array): number {
  const rotated = (x: number, k: number) => (x << k) | (x >>> (32 - k));
  let [a, b, c] = Array(3).fill((0xdeadbeef + key.length) | 0);
  const word = (at: number) =>
    (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
  let at = 0;
  for (; key.length - at > 12; at += 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = ((a - c) ^ rotated(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotated(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotated(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rotated(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rotated(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rotated(b, 4)) | 0;
    b = (b + a) | 0;
  }
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotated(b, 14)) | 0;
  a = ((a ^ c) - rotated(c, 11)) | 0;
  b = ((b ^ a) - rotated(a, 25)) | 0;
  c = ((c ^ b) - rotated(b, 16)) | 0;
  a = ((a ^ c) - rotated(c, 4)) | 0;
  b = ((b ^ a) - rotated(a, 14)) | 0;
  c = ((c ^ b) - rotated(b, 24)) | 0;
  return c >>> 0;
}
