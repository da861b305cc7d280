import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import type { NumericValue } from '../../../lib/array/value.ts';
import { readNpz, readSafetensors, writeSafetensors } from '../../support/tensor-bytes.ts';

const weights = new URL('../../../../shared/data/weights/', import.meta.url);

/** A file from its parts. */
function file(header: unknown, data: Uint8Array = new Uint8Array(0), claim?: bigint): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claim ?? BigInt(json.length));
  return Buffer.concat([length, json, data]);
}
const entry = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

describe('safetensors', () => {
  it('gives the same bits as the npz of the same weights', function () {
    if (!existsSync(weights)) {
      console.log('skipped: ../shared/data/weights is not there');
      return this.skip();
    }
    const { tensors } = readSafetensors(readFileSync(new URL('torchvision-narrow.safetensors', weights)));
    for (const name of ['torchvision-narrow.npz', 'torchvision-narrow-deflated.npz']) {
      const wanted = readNpz(readFileSync(new URL(name, weights)));
      expect(tensors.size).to.equal(16);
      for (const [key, array] of wanted) expect(tensors.get(key), key).to.deep.equal(array);
    }
  });

  it('reads a file made by hand from the format description, every type and the metadata', () => {
    const data = new Uint8Array([0, 0, 0x80, 0x3f, 1, 0x80, 0x3f, 0, 0x3c]);
    const header = {
      __metadata__: { source: 'here' },
      a: entry('F32', [1, 1], [0, 4]),
      b: entry('BOOL', [1], [4, 5]),
      c: entry('BF16', [], [5, 7]),
      d: entry('F16', [1], [7, 9]),
    };
    const { tensors, metadata } = readSafetensors(file(header, data));
    expect([...tensors].map(([name, { dtype, shape, data }]) => [name, dtype, shape, ...data])).to.deep.equal(
      [
        ['a', 'float32', [1, 1], 1],
        ['b', 'bool', [1], 1],
        ['c', 'bfloat16', [], 0x3f80],
        ['d', 'float16', [1], 0x3c00],
      ],
    );
    expect([...metadata]).to.deep.equal([['source', 'here']]);
  });

  it('writes what it reads back bit for bit, aligned, whatever the names', () => {
    const arrays: [string, NumericValue][] = [
      ['0', { dtype: 'uint8', shape: [3], data: new Uint8Array([1, 2, 3]) }],
      ['__proto__', { dtype: 'float32', shape: [2, 1], data: new Float32Array([1.5, Number.NaN]) }],
      ['ünï', { dtype: 'float64', shape: [], data: new Float64Array([-0]) }],
      ['', { dtype: 'int64', shape: [0, 4], data: new BigInt64Array(0) }],
    ];
    const metadata = new Map([['preprocess', '{}']]);
    const written = writeSafetensors(arrays, metadata);
    const back = readSafetensors(written);
    expect(new Map(back.tensors)).to.deep.equal(new Map(arrays));
    expect(back.metadata).to.deep.equal(metadata);
    expect(Number(Buffer.from(written).readBigUInt64LE(0)) % 8).to.equal(0);
  });

  const wrong: [string, Buffer, RegExp][] = [
    ['a length of 2⁶³', file('{}', undefined, 2n ** 63n), /claims 9223372036854775808 bytes/],
    ['a header that is no JSON', file('{"a":'), /not valid JSON/],
    ['a header that is a list', file('[1,2,3,4]'), /not a JSON object/],
    ['ten thousand nested lists', file('['.repeat(10_000)), /JSON/],
    ['an unknown type', file({ a: entry('F8_E4M3', [1], [0, 1]) }, new Uint8Array(1)), /F8_E4M3/],
    ['a type named like a method', file({ a: entry('constructor', [1], [0, 1]) }), /constructor/],
    ['an extent below 0', file({ a: entry('F32', [-1], [0, 4]) }), /extents/],
    ['extents beyond 2⁵³', file({ a: entry('F32', [2 ** 40, 2 ** 40], [0, 4]) }), /needs NaN/],
    [
      'offsets that disagree with the shape',
      file({ a: entry('F32', [2], [0, 4]) }, new Uint8Array(4)),
      /needs 8/,
    ],
    ['offsets in reverse', file({ a: entry('F32', [2], [8, 0]) }, new Uint8Array(8)), /needs 8/],
    [
      'overlapping tensors',
      file({ a: entry('U8', [4], [0, 4]), b: entry('U8', [4], [2, 6]) }, new Uint8Array(6)),
      /hole or overlap/,
    ],
    ['a hole', file({ a: entry('U8', [1], [1, 2]) }, new Uint8Array(2)), /hole or overlap/],
    ['bytes that belong to none', file({ a: entry('U8', [1], [0, 1]) }, new Uint8Array(2)), /belong to none/],
    ['data cut off', file({ a: entry('U8', [9], [0, 9]) }, new Uint8Array(8)), /truncated/],
    ['metadata that is not a text', file({ __metadata__: { a: 1 } }), /not text/],
  ];
  for (const [what, data, reason] of wrong) {
    it(`refuses ${what} in one line`, () => {
      expect(() => readSafetensors(data, 'w.safetensors'))
        .to.throw(reason)
        .and.match(/^InputError: w.safetensors: [^\n]+$/);
    });
  }
});
