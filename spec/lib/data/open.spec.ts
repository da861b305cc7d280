import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openDataset } from '../../../lib/data/open.ts';
import { fixture, refusal } from '../../support/data-fixtures.ts';
import { descriptors } from '../../support/descriptors.ts';
import { skipBecause } from '../../support/skip.ts';

describe('lib/data/open', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-open-'));
    for (const name of ['mnist', 'cifar', 'folders'])
      cpSync(fixture(name), join(folder, name), { recursive: true });
    copyFileSync(join(folder, 'mnist/t10k-images-idx3-ubyte'), join(folder, 'mine'));
    mkdirSync(join(folder, 'python'));
    writeFileSync(join(folder, 'python', 'data_batch_1'), '\x80\x02}.');
    writeFileSync(join(folder, 'short.bin'), Uint8Array.of(0, 0));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('knows a data set by the names in its folder, a file by its first bytes', async () => {
    const formats: [string, string][] = [
      ['mnist', 'MNIST'],
      ['cifar', 'CIFAR-10'],
      ['folders', 'folders of pictures'],
      ['mnist/t10k-images-idx3-ubyte', 'MNIST'],
      ['mnist/train-images-idx3-ubyte.gz', 'MNIST'],
      ['cifar/test_batch.bin', 'CIFAR-10'],
    ];
    for (const [name, format] of formats) {
      const data = await openDataset(join(folder, name));
      expect(data.format, name).to.equal(format);
      data.close();
    }
  });

  it('says what is wrong with what is none', async () => {
    const refused = (name: string) => refusal(() => openDataset(join(folder, name)));
    expect(await refused('python')).to.match(/python: CIFAR-10 as Python pickles: take its binary version/);
    expect(await refused('none')).to.match(/none: no such file$/);
    // an IDX file under a name that tells no split, and two bytes alone
    expect(await refused('mine')).to.match(/mine: truncated, or not CIFAR-10's binary version: 3152 bytes/);
    expect(await refused('short.bin')).to.match(/short\.bin: truncated, or not CIFAR-10's .*: 2 bytes/);
  });

  it('one class name is enough, 256 are the most', async () => {
    const file = join(folder, 'cifar', 'batches.meta.txt');
    writeFileSync(join(folder, 'cifar', 'data_batch_9.bin'), new Uint8Array(3073));
    const named = (count: number) => {
      writeFileSync(file, Array.from({ length: count }, (_, i) => `class ${i}\n`).join(''));
      return openDataset(join(folder, 'cifar', 'data_batch_9.bin'));
    };
    for (const count of [1, 256]) {
      const data = await named(count);
      expect(data.classes).to.have.length(count);
      data.close();
    }
    for (const count of [0, 257])
      expect(await refusal(() => named(count))).to.match(/it must hold 1 to 256 different class names/);
    writeFileSync(file, 'a\na\n');
    expect(await refusal(() => openDataset(join(folder, 'cifar')))).to.match(/1 to 256 different/);
  });

  it('holds its files until it is closed, and no longer', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'descriptors are counted in /proc');
    const held = () => descriptors(folder).filter((path) => path.startsWith(folder));
    cpSync(fixture('cifar'), join(folder, 'whole'), { recursive: true });
    for (const [name, files] of [
      ['whole', 3],
      ['mnist', 2],
      ['mnist/t10k-images-idx3-ubyte', 1],
      ['folders', 0],
    ] as const) {
      const data = await openDataset(join(folder, name));
      expect(held(), name).to.have.length(files);
      data.close();
      expect(held(), name).to.deep.equal([]);
    }
    await refusal(() => openDataset(join(folder, 'mine')));
    writeFileSync(join(folder, 'whole', 'test_batch.bin'), new Uint8Array(9));
    await refusal(() => openDataset(join(folder, 'whole')));
    rmSync(join(folder, 'mnist', 't10k-labels-idx1-ubyte'), { force: true });
    rmSync(join(folder, 'mnist', 't10k-labels-idx1-ubyte.gz'), { force: true });
    await refusal(() => openDataset(join(folder, 'mnist')));
    expect(held()).to.deep.equal([]);
  });
});
