import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openCifar10 } from '../../../lib/data/cifar10.ts';
import { openDataset } from '../../../lib/data/open.ts';
import { cifar10 } from '../../../lib/labels/labels.ts';
import { expected, fixture, refusal } from '../../support/data-fixtures.ts';

describe('lib/data/cifar10', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-cifar-'));
    cpSync(fixture('cifar'), folder, { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('reads every label and pixel of both splits as NumPy wrote them, across batch files', async () => {
    const data = await openDataset(fixture('cifar'));
    expect([data.format, data.classes, data.size]).to.deep.equal(['CIFAR-10', cifar10, [32, 32]]);
    for (const [name, count] of [
      ['train', 15],
      ['test', 5],
    ] as const) {
      const split = data.splits.get(name)!;
      expect(split.count).to.equal(count);
      const pixels = expected(`cifar.${name}`);
      for (let i = 0; i < count; i++) {
        const { image, label } = await split.get(i);
        expect(label).to.equal(expected(`cifar.${name}.labels`)[i]);
        expect(split.label(i)).to.equal(label);
        expect(Buffer.compare(image.data, pixels.subarray(3072 * i, 3072 * (i + 1)))).to.equal(0);
      }
      expect(() => split.picture(count)).to.throw(RangeError, `${count}`);
      expect(() => split.picture(-1)).to.throw(RangeError);
    }
    data.close();
  });

  it('takes one file as the split that its name says, or as all', async () => {
    const kinds: string[] = [];
    cpSync(join(folder, 'test_batch.bin'), join(folder, 'mine.bin'));
    for (const name of ['data_batch_2.bin', 'test_batch.bin', 'mine.bin']) {
      const data = await openDataset(join(folder, name));
      kinds.push(...data.splits.keys());
      data.close();
    }
    expect(kinds).to.deep.equal(['train', 'test', 'all']);
  });

  it('takes CIFAR-10’s own names without batches.meta.txt, and other names from it', async () => {
    rmSync(join(folder, 'batches.meta.txt'));
    expect((await openCifar10(folder)).classes).to.deep.equal(cifar10);
    writeFileSync(join(folder, 'batches.meta.txt'), 'a\r\nb\r\nc\nd\ne\nf\ng\nh\ni\nj\n\n');
    expect((await openCifar10(folder)).classes.join('')).to.equal('abcdefghij');
  });

  it('refuses a truncated file, an empty one, labels beyond the classes, and what is not there', async () => {
    const file = join(folder, 'test_batch.bin');
    const bytes = readFileSync(file);
    bytes[2 * 3073] = 10;
    writeFileSync(file, bytes);
    expect(await refusal(() => openCifar10(folder))).to.equal(
      `${file}: record 2 has label 10, but there are 10 classes`,
    );
    truncateSync(file, 5 * 3073 - 1);
    expect(await refusal(() => openCifar10(folder))).to.match(/test_batch\.bin: truncated.*15364 bytes/);
    truncateSync(file, 0);
    expect(await refusal(() => openCifar10(folder))).to.equal(`${file}: the file is empty`);
    expect(await refusal(() => openDataset(join(folder, 'nothing')))).to.match(/nothing: no such file/);
    writeFileSync(join(folder, 'batches.meta.txt'), 'a\na\n');
    expect(await refusal(() => openCifar10(folder))).to.match(/batches\.meta\.txt: .*different class names/);
  });

  it('says so when a file became shorter after it was opened', async () => {
    const data = await openCifar10(folder);
    truncateSync(join(folder, 'test_batch.bin'), 3073);
    const split = data.splits.get('test')!;
    expect((await split.get(0)).image.data).to.have.length(3072);
    expect(await refusal(() => split.get(4))).to.match(/test_batch\.bin: .*shorter/);
    data.close();
  });

  it('names the binary version where it is shown the Python version', async () => {
    for (const name of ['data_batch_1.bin', 'data_batch_2.bin', 'test_batch.bin']) rmSync(join(folder, name));
    writeFileSync(join(folder, 'data_batch_1'), 'pickle');
    expect(await refusal(() => openDataset(folder))).to.match(/binary version/);
  });
});
