/** Deflated members, unpacked at once and beside other work. Packed by zlib itself. */

import { randomBytes } from 'node:crypto';
import { deflateRawSync, crc32 as zlibCrc32 } from 'node:zlib';
import { expect } from 'chai';
import { zlib } from '../../../lib/disk/inflate.ts';
import { InputError } from '../../../lib/errors.ts';
import { openNpz } from '../../../lib/format/npy.ts';
import { fromBytes } from '../../../lib/format/source.ts';
import { crc32, portable } from '../../../lib/format/unpack.ts';
import { writeDeflatedNpz } from '../../support/tensor-bytes.ts';

const packed = (bytes: Uint8Array) => fromBytes(deflateRawSync(bytes), "w.npz, member 'a.npy'");
/** Longer than two pieces, one part random and one that packs well. */
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(1_600_001, 'abc')]);

describe('inflate', () => {
  const ways = {
    'at once': zlib.inflate,
    'beside other work': zlib.inflateBeside,
    'without zlib': portable.inflate,
  } as const;
  for (const [way, run] of Object.entries(ways)) {
    it(`unpacks to exactly the size claimed, ${way}`, async () => {
      for (const bytes of [content, Buffer.alloc(0), Buffer.from('x')]) {
        expect(Buffer.compare(await run(packed(bytes), bytes.length), bytes)).to.equal(0);
      }
    });
    it(`refuses more, less, damage and a cut in one line, ${way}`, async () => {
      const whole = deflateRawSync(content);
      const damaged = Buffer.from(whole);
      damaged.fill(0xff, 0, 100);
      const wrong: [Buffer, number][] = [
        [whole, content.length - 1],
        [whole, content.length + 1],
        [whole, 0],
        [whole.subarray(0, whole.length - 10), content.length],
        [whole.subarray(0, 1000), content.length],
        [Buffer.alloc(0), 5],
        [damaged, content.length],
      ];
      for (const [bytes, size] of wrong) {
        const error = await (async () => run(fromBytes(bytes, 'w.npz'), size))().catch((e: Error) => e);
        expect(error).to.be.instanceOf(InputError);
        expect((error as Error).message).to.match(/^w\.npz: does not unpack to the \d+ bytes it claims$/);
      }
    });
  }

  for (const [name, { inflateHead }] of Object.entries({ zlib, portable })) {
    it(`gives the first bytes alone, ${name}`, () => {
      expect(Buffer.compare(inflateHead(packed(content), 200), content.subarray(0, 200))).to.equal(0);
      const damaged = fromBytes(Buffer.alloc(9, 0xff), 'w.npz');
      expect(() => inflateHead(damaged, 200)).to.throw(/w\.npz: does not unpack/);
    });
  }

  it('sums as zlib does, in one go and in parts', () => {
    for (const length of [0, 1, 7, 8, 9, 100_003]) {
      const bytes = content.subarray(0, length);
      expect(crc32(bytes)).to.equal(zlibCrc32(bytes));
      expect(crc32(content, crc32(bytes))).to.equal(zlibCrc32(content, zlibCrc32(bytes)));
    }
  });

  it('both ways give a deflated array of the same bits, and see a wrong checksum', async () => {
    const data = new Float32Array(70_000).map((_, i) => Math.sqrt(i));
    const file = Buffer.from(writeDeflatedNpz([['a', { dtype: 'float32', shape: [70, 1000], data }]]));
    const array = openNpz({ ...fromBytes(file, 'w.npz'), unpacker: zlib }).get('a')!;
    expect(openNpz(fromBytes(file)).get('a')!.read().data).to.deep.equal(data);
    expect(array.read()).to.deep.equal({ dtype: 'float32', shape: [70, 1000], data });
    expect(await array.fetch!()).to.deep.equal(array.read());
    file.writeUInt32LE(1, file.indexOf('PK\x01\x02', 'latin1') + 16);
    const wrong = openNpz(fromBytes(file, 'w.npz')).get('a')!;
    expect(() => wrong.read()).to.throw(/'a\.npy' is damaged \(its checksum is wrong\)/);
    const error = await wrong.fetch!().catch((e: Error) => e);
    expect((error as Error).message).to.match(/'a\.npy' is damaged \(its checksum is wrong\)/);
  });
});
