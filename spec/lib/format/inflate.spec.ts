/** Deflated members, unpacked at once and beside other work. Packed by zlib itself. */
import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { inflate, inflateBeside, inflateHead } from '../../../lib/format/inflate.ts';
import { openNpz, writeNpz } from '../../../lib/format/npz.ts';
import { fromBytes } from '../../../lib/format/source.ts';

const packed = (bytes: Uint8Array) => fromBytes(deflateRawSync(bytes), "w.npz, member 'a.npy'");
/** Longer than two pieces, one part random and one that packs well. */
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(1_600_001, 'abc')]);

describe('inflate', () => {
  const ways = { 'at once': inflate, 'beside other work': inflateBeside } as const;
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

  it('gives the first bytes alone', () => {
    expect(Buffer.compare(inflateHead(packed(content), 200), content.subarray(0, 200))).to.equal(0);
    expect(() => inflateHead(fromBytes(Buffer.alloc(9, 0xff), 'w.npz'), 200)).to.throw(
      /w\.npz: does not unpack/,
    );
  });

  it('both ways give a deflated array of the same bits, and see a wrong checksum', async () => {
    const data = Float32Array.from({ length: 70_000 }, (_, i) => Math.sqrt(i));
    const file = Buffer.from(
      writeNpz([['a', { dtype: 'float32', shape: [70, 1000], data }]], { deflate: true }),
    );
    const array = openNpz(fromBytes(file, 'w.npz')).get('a')!;
    expect(array.read()).to.deep.equal({ dtype: 'float32', shape: [70, 1000], data });
    expect(await array.fetch!()).to.deep.equal(array.read());
    file.writeUInt32LE(1, file.indexOf('PK\x01\x02', 'latin1') + 16);
    const wrong = openNpz(fromBytes(file, 'w.npz')).get('a')!;
    expect(() => wrong.read()).to.throw(/'a\.npy' is damaged \(its checksum is wrong\)/);
    const error = await wrong.fetch!().catch((e: Error) => e);
    expect((error as Error).message).to.match(/'a\.npy' is damaged \(its checksum is wrong\)/);
  });
});
