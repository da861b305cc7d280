import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { NumericValue } from '../../../lib/array/value.ts';
import {
  blobPieces,
  caffemodelPieces,
  openBinaryproto,
  openCaffemodel,
} from '../../../lib/format/caffemodel.ts';
import { fromBytes } from '../../../lib/format/source.ts';

const folder = fileURLToPath(new URL('../../../fixtures/format/', import.meta.url));
const values = (n: number) => Array.from({ length: n }, (_, i) => i / 4);

describe('caffemodel', () => {
  for (const file of readdirSync(`${folder}caffe`)) {
    it(`reads ${file}, which Google's protobuf wrote`, () => {
      const blobs = openCaffemodel(fromBytes(readFileSync(`${folder}caffe/${file}`), file));
      expect([...blobs.keys()]).to.deep.equal(['conv1/0', 'conv1/1']);
      const [weight, bias] = [...blobs.values()].map((blob) => blob.read());
      expect(weight.shape).to.deep.equal([2, 3, 2, 2]);
      expect(bias.shape).to.deep.equal(file.startsWith('v1') ? [1, 1, 1, 2] : [2]);
      expect(weight.dtype).to.equal(file.includes('double') ? 'float64' : 'float32');
      expect([...weight.data]).to.deep.equal(values(24));
      expect([...bias.data]).to.deep.equal(values(2));
    });
  }

  const weight: NumericValue = { dtype: 'float32', shape: [2, 1, 2, 1], data: Float32Array.from(values(4)) };
  const bias: NumericValue = { dtype: 'float64', shape: [2], data: Float64Array.of(0.1, -2) };

  it("writes what Google's protobuf reads", function () {
    const place = mkdtempSync(join(tmpdir(), 'caffe-'));
    try {
      const path = join(place, 'our.caffemodel');
      writeFileSync(path, Buffer.concat(caffemodelPieces([['conv1', 'Convolution', [weight, bias]]], 'net')));
      const { status, stdout, stderr } = spawnSync('/usr/bin/python3', [`${folder}make-caffe.py`, path], {
        encoding: 'utf8',
      });
      if (status !== 0 && /No module named|ENOENT/.test(stderr ?? 'ENOENT')) {
        console.log('    skipped: no python3-protobuf here');
        return this.skip();
      }
      expect(stdout.trim().split('\n'), stderr).to.deep.equal([
        'net',
        'conv1 Convolution [2, 1, 2, 1] [0.0, 0.25, 0.5, 0.75] []',
        'conv1 Convolution [2] [] [0.1, -2.0]',
      ]);
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  it('reads its own mean images', () => {
    const back = openBinaryproto(fromBytes(Buffer.concat(blobPieces(weight)))).read();
    expect(back).to.deep.equal(weight);
  });

  it('refuses every truncation in one line, or reads less than all layers', () => {
    const file = readFileSync(`${folder}caffe/float.caffemodel`);
    for (let length = 0; length < file.length - 20; length++) {
      const read = () =>
        [...openCaffemodel(fromBytes(file.subarray(0, length), 'x')).values()].map((blob) => blob.read());
      expect(read, `${length}`).to.throw(/^x: [^\n]+$/);
    }
  });

  it('refuses a shape that does not fit its values', () => {
    const wrong = { ...weight, shape: [2, 1, 2, 2] };
    const file = Buffer.concat(caffemodelPieces([['c', 'Convolution', [wrong]]], 'n'));
    expect(() => openCaffemodel(fromBytes(file, 'x'))).to.throw(
      /shape \[2,1,2,2\] does not fit its 4 values/,
    );
  });
});
