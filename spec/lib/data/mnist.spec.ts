import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { openDataset } from '../../../lib/data/open.ts';
import { expected, fixture, refusal } from '../../support/data-fixtures.ts';

describe('lib/data/mnist', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-mnist-'));
    cpSync(fixture('mnist'), folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads plain and packed files as NumPy wrote them, grey in all three channels', async () => {
    const data = await openDataset(folder);
    expect([data.format, data.classes.join(''), data.size]).to.deep.equal(['MNIST', '0123456789', [28, 28]]);
    for (const [name, count] of [
      ['train', 6],
      ['test', 4],
    ] as const) {
      const split = data.splits.get(name)!;
      expect(split.count).to.equal(count);
      for (let i = 0; i < count; i++) {
        const { image, label } = await split.get(i);
        expect(label).to.equal(expected(`mnist.${name}.labels`)[i]);
        const grey = expected(`mnist.${name}`).subarray(784 * i, 784 * (i + 1));
        for (let c = 0; c < 3; c++) {
          expect(
            Buffer.compare(
              image.data.filter((_, at) => at % 3 === c),
              grey,
            ),
          ).to.equal(0);
        }
      }
    }
    data.close();
  });

  it('takes one file of images with the labels beside it', async () => {
    for (const [name, split] of [
      ['train-images-idx3-ubyte.gz', 'train'],
      ['t10k-images-idx3-ubyte', 'test'],
    ]) {
      const data = await openDataset(at(name));
      expect([...data.splits.keys()]).to.deep.equal([split]);
      data.close();
    }
  });

  it('takes the plain file where both are there', async () => {
    const packed = at('train-images-idx3-ubyte.gz');
    const plain = gunzipSync(readFileSync(packed));
    plain[16] ^= 0xff; // the first pixel of the first picture
    writeFileSync(at('train-images-idx3-ubyte'), plain);
    const labels = gunzipSync(readFileSync(at('train-labels-idx1-ubyte.gz')));
    labels[8] = (labels[8] + 1) % 10; // the first label
    writeFileSync(at('train-labels-idx1-ubyte'), labels);
    const data = await openDataset(folder);
    const { image, label } = await data.splits.get('train')!.get(0);
    data.close();
    expect([image.data[0], label]).to.deep.equal([plain[16], labels[8]]);
    for (const file of [packed, at('train-labels-idx1-ubyte.gz')]) writeFileSync(file, 'damaged');
    (await openDataset(folder)).close();
  });

  const broken = (name: string, change: (bytes: Buffer) => Uint8Array) => () => {
    writeFileSync(at(name), change(readFileSync(at(name))));
    return openDataset(folder);
  };
  const byte = (at: number, value: number) => (bytes: Buffer) => {
    bytes[at] = value;
    return bytes;
  };
  const withoutLabels = () => {
    rmSync(at('t10k-labels-idx1-ubyte'));
    return openDataset(folder);
  };
  const images = 't10k-images-idx3-ubyte';
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    ['missing labels', withoutLabels, /no t10k-labels/],
    ['a truncated file', broken(images, (b) => b.subarray(0, -1)), /truncated: \[4,28,28\].*3152.*3151/],
    ['a truncated header', broken(images, (b) => b.subarray(0, 9)), /not an IDX file/],
    ['a file that goes on', broken(images, (b) => Buffer.concat([b, b])), /longer than it says/],
    ['floats', broken(images, byte(2, 13)), /type 13/],
    ['no pictures', broken(images, (b) => byte(7, 0)(b).subarray(0, 16)), /no pictures/],
    [
      'fewer labels',
      broken('t10k-labels-idx1-ubyte', (b) => byte(7, 3)(b).subarray(0, 11)),
      /3 labels for 4/,
    ],
    ['a label of 10', broken('t10k-labels-idx1-ubyte', byte(9, 10)), /label 1 is 10, but there are 10/],
    [
      'a cut gzip file',
      broken('train-images-idx3-ubyte.gz', (b) => b.subarray(0, -500)),
      /train.*: truncated/,
    ],
    ['damaged gzip', broken('train-images-idx3-ubyte.gz', (b) => b.fill(255, 40, 90)), /train.*: damaged/],
    [
      'a gzip file that promises a gigabyte',
      broken('train-images-idx3-ubyte.gz', (b) => {
        const bytes = gunzipSync(b);
        bytes.writeUInt32BE(1_300_000, 4);
        return gzipSync(bytes);
      }),
      /truncated: 1019200016 bytes cannot be in it/,
    ],
    [
      'a gzip file that goes on',
      broken('train-images-idx3-ubyte.gz', (b) => gzipSync(Buffer.concat([gunzipSync(b), Buffer.alloc(9)]))),
      /longer than it says/,
    ],
  ];
  for (const [what, run, message] of cases) {
    it(`refuses ${what} in one line that names the file`, async () => {
      const line = await refusal(run);
      expect(line).to.match(message);
      expect(line).to.include(folder);
    });
  }
});
