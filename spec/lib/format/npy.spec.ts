import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { toTensor } from '../../../lib/array/value.ts';
import { writeNpy } from '../../../lib/format/npy.ts';
import { readNpy, readNpz, writeDeflatedNpz, writeNpz } from '../../support/tensor-bytes.ts';

const folder = new URL('../../../fixtures/format/', import.meta.url);
const bytes = (name: string) => readFileSync(new URL(name, folder));
/** What fixtures/format/make.py wrote as element i. */
const element = (i: number, dtype: string) => {
  const k = (7 * i) % 11;
  return dtype === 'bool' ? k % 2 : dtype.startsWith('float') ? (k - 5) / 2 : k;
};

describe('npy', () => {
  for (const file of readdirSync(new URL('npy/', folder)).filter((name) =>
    /^(little|big|fortran|version|scalar|empty|one)/.test(name),
  )) {
    it(`reads ${file} as NumPy wrote it`, () => {
      const array = readNpy(bytes(`npy/${file}`), file);
      const shape = file.startsWith('scalar')
        ? []
        : file.startsWith('empty')
          ? [0, 3]
          : file.startsWith('one')
            ? [7]
            : [2, 3, 5];
      expect(array.shape).to.deep.equal(shape);
      const wanted = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
        element(i, array.dtype),
      );
      expect([...toTensor(array).data]).to.deep.equal(wanted);
    });
  }

  it('widens every kind of half exactly', () => {
    const { data } = toTensor(readNpy(bytes('npy/halves.npy')));
    const wanted = [0, -0, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, 65504, -65504, Infinity, -Infinity, NaN];
    expect([...data]).to.deep.equal(wanted);
  });

  it("writes files that are NumPy's own, byte for byte", () => {
    for (const name of [
      'little-f2',
      'little-f4',
      'little-f8',
      'little-i8',
      'little-u1',
      'little-b1',
      'scalar-f4',
      'empty-f4',
      'one-axis-f4',
    ]) {
      const file = bytes(`npy/${name}.npy`);
      const written = Buffer.from(writeNpy(readNpy(file)));
      expect(written.subarray(-64), name).to.deep.equal(file.subarray(-64));
      expect(readNpy(written), name).to.deep.equal(readNpy(file));
    }
  });

  it('refuses records, objects, complex numbers, unknown versions and cut-off files in one line that names the file', () => {
    const refuse = (data: Uint8Array, reason: RegExp) =>
      expect(() => readNpy(data, 'x.npy')).to.throw(reason);
    refuse(bytes('npy/record.npy'), /^x.npy: records/);
    refuse(bytes('npy/object.npy'), /^x.npy: an array of Python objects/);
    refuse(bytes('npy/complex.npy'), /^x.npy: values of type '<c8' are not read/);
    const good = bytes('npy/little-f4.npy');
    for (let length = 0; length < good.length; length++) refuse(good.subarray(0, length), /^x.npy: [^\n]+$/);
    const version = Buffer.from(good);
    version[6] = 9;
    refuse(version, /version 9.0/);
  });

  it('refuses extents that do not fit into the file before it allocates', () => {
    for (const shape of [
      '4611686018427387904,',
      '2147483648, 2147483648',
      '99999999999999999999, 0',
      '1, 31',
    ]) {
      const text = bytes('npy/little-f4.npy').toString('latin1').replace('(2, 3, 5)', `(${shape})`);
      const dict = text.slice(10, text.indexOf('}') + 1);
      const head = Buffer.alloc(10, '\x93NUMPY\x01\x00', 'latin1');
      head.writeUInt16LE(dict.length, 8);
      expect(() => readNpy(Buffer.concat([head, Buffer.from(dict), Buffer.alloc(120)]), 'x')).to.throw(
        /needs/,
      );
    }
  });
});

describe('npz', () => {
  // a byte of the values of 'a'
  for (const [file, at] of [
    ['stored.npz', 200],
    ['deflated.npz', 140],
  ] as const) {
    it(`reads ${file} and finds a flipped bit in it`, () => {
      const arrays = readNpz(bytes(file), file);
      expect([...arrays.keys()]).to.deep.equal(['a', 'b']);
      expect([...arrays.get('a')!.data]).to.deep.equal(
        Array.from({ length: 30 }, (_, i) => element(i, 'float')),
      );
      const damaged = Buffer.from(bytes(file));
      damaged[at] ^= 4;
      expect(() => readNpz(damaged, file)).to.throw(/damaged|unpack/);
    });
  }

  it('writes archives that it reads back bit for bit, and reads deflated ones', () => {
    const arrays = readNpz(bytes('stored.npz'));
    for (const write of [writeNpz, writeDeflatedNpz]) expect(readNpz(write(arrays))).to.deep.equal(arrays);
  });

  it('refuses an archive that would unpack to far more than the file holds', () => {
    const zeros = new Float32Array(2 ** 25); // 128 MiB, deflated to 128 KiB
    const bomb = writeDeflatedNpz([['a', { dtype: 'float32', shape: [2 ** 25], data: zeros }]]);
    expect(() => readNpz(bomb, 'bomb.npz')).to.throw(/^bomb.npz: refused: it would unpack/);
  });
});
