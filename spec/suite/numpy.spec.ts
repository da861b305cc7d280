/** Archives with NumPy and Python's zipfile at the other end. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NumericValue } from '../../lib/array/value.ts';
import { openNpz } from '../../lib/format/npy.ts';
import { fromBytes } from '../../lib/format/source.ts';
import { readNpz, writeNpz } from '../support/tensor-bytes.ts';

const python = '/usr/bin/python3';

describe('npz and NumPy', function () {
  this.timeout(180_000);
  let folder = '';
  before(function () {
    if (spawnSync(python, ['-c', 'import numpy']).status !== 0) {
      console.log('    skipped: no python3-numpy here');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'npz-'));
  });
  after(() => folder && rmSync(folder, { recursive: true }));
  const run = (script: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(python, ['-c', script, ...args], { encoding: 'utf8' });
    expect(status, stderr).to.equal(0);
    return stdout;
  };

  const arrays: [string, NumericValue][] = [
    ['conv1.weight', { dtype: 'float32', shape: [2, 3], data: Float32Array.of(0, 1, -2.5, 3e38, -0, 1e-45) }],
    ['a/0', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc100) }],
    ['f', { dtype: 'float64', shape: [], data: Float64Array.of(0.1) }],
    ['l', { dtype: 'int64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) }],
    ['t', { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }],
    ['e', { dtype: 'uint8', shape: [0, 3], data: new Uint8Array(0) }],
  ];
  it('NumPy reads what is written here', () => {
    const path = join(folder, 'ours.npz');
    writeFileSync(path, writeNpz(arrays));
    const script = `
import sys, numpy, zipfile
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
z = numpy.load(sys.argv[1])
for k in z.files: print(k, z[k].dtype, list(z[k].shape), z[k].flatten().tolist())`;
    expect(run(script, path).trim().split('\n')).to.deep.equal([
      'conv1.weight float32 [2, 3] [0.0, 1.0, -2.5, 3.0000000054977558e+38, -0.0, 1.401298464324817e-45]',
      'a/0 float16 [2] [1.0, -2.5]',
      'f float64 [] [0.1]',
      'l int64 [1] [-9223372036854775808]',
      't bool [2] [True, False]',
      'e uint8 [0, 3] []',
    ]);
  });

  it('reads an archive of 70,000 members, which only zip64 can hold', () => {
    const path = join(folder, 'many.npz');
    run(
      `
import sys, io, numpy, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    for i in range(70000): z.writestr(f'skip{i}.txt', '')
    b = io.BytesIO(); numpy.save(b, numpy.arange(5, dtype='<f4')); z.writestr('x.npy', b.getvalue())`,
      path,
    );
    const found = openNpz(fromBytes(readFileSync(path), path));
    expect([...(found.get('x')?.read().data ?? [])]).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('reads sizes in zip64 fields, a comment at the end, and bytes before the archive are refused', () => {
    const path = join(folder, 'odd.npz');
    run(
      `
import sys, io, numpy, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as z:
    b = io.BytesIO(); numpy.save(b, numpy.arange(5, dtype='<f4'))
    with z.open('x.npy', 'w', force_zip64=True) as f: f.write(b.getvalue())
    z.comment = b'PK\\x05\\x06 is no end ' * 20`,
      path,
    );
    const file = readFileSync(path);
    expect([...(readNpz(file).get('x')?.data ?? [])]).to.deep.equal([0, 1, 2, 3, 4]);
    expect(() => readNpz(Buffer.concat([Buffer.from('#!/bin/sh\n'), file]), 'x.npz')).to.throw(/^x.npz: /);
  });
});
