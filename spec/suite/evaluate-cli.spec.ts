import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { formatPreprocess } from '../../lib/weights/preprocess.ts';
import { cifarAlexnet } from '../../reference/networks/cifar.ts';
import { runHere } from '../support/child.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/data/', import.meta.url));

describe('alexnet evaluate', () => {
  const net = ['--network', 'cifar-alexnet', '--seed', '0', '--engine', 'oracle'];
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-evaluate-'));
    cpSync(fixtures, folder, { recursive: true });
    mkdirSync(join(folder, 'short'));
    cpSync(join(folder, 'cifar', 'test_batch.bin'), join(folder, 'short', 'test_batch.bin'));
    truncateSync(join(folder, 'short', 'test_batch.bin'), 5000);
    mkdirSync(join(folder, 'wrong'));
    writeFileSync(join(folder, 'wrong', 'test_batch.bin'), Buffer.alloc(3073, 77));
    mkdirSync(join(folder, 'empty', 'cat'), { recursive: true });
    mkdirSync(join(folder, 'bare'));
    writeFileSync(
      join(folder, 'spec.json'),
      formatPreprocess({ ...cifarAlexnet.preprocess, channels: 'BGR' }),
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no weights', ['cifar'], /evaluate needs weights/],
    ['a missing folder', ['nothing', ...net], /nothing: no such file/],
    ['a truncated batch file', ['short', ...net], /test_batch\.bin: truncated/],
    ['a label out of range', ['wrong', ...net], /record 0 has label 77, but there are 10 classes/],
    ['classes that do not fit', ['folders', ...net], /4 classes .* but the network has 10/],
    ['an empty class folder', ['empty', ...net], /cat: no JPEG or PNG in this folder/],
    ['no class folders', ['bare', ...net], /bare: no data set/],
    ['a split that is not there', ['cifar', ...net, '--split', 'val'], /no split 'val', only train, test/],
    [
      'a mean image that is not there',
      ['cifar', ...net, '--network', 'cifar-relu', '--mean', 'no.npy'],
      /no\.npy/,
    ],
    ['weights that are not there', ['cifar', '--weights', 'no.npz'], /no\.npz/],
    [
      'preprocessing that is none',
      ['cifar', ...net, '--preprocess', 'cifar/batches.meta.txt'],
      /batches\.meta\.txt: .*JSON/,
    ],
    [
      'other names than classes',
      ['cifar', ...net, '--class-names', 'spec.json'],
      /spec\.json: 1 names for 10 classes/,
    ],
    [
      'a drawing over the data',
      ['cifar/test_batch.bin', ...net, '--svg', 'cifar/test_batch.bin'],
      /overwrite an input/,
    ],
  ];
  for (const [what, args, message] of cases) {
    it(`${what}: exit 2, one line, nothing written`, async () => {
      const { status, out, err } = await runHere(['evaluate', ...args], folder);
      expect(err).to.match(message);
      expect(err.trim().split('\n')).to.have.length(1);
      expect([status, out]).to.deep.equal([2, '']);
    });
  }

  it('prints JSON alone on stdout, writes page and drawing, no progress off a terminal', async () => {
    const args = [
      'cifar',
      ...net,
      '--preprocess',
      'spec.json',
      '--views',
      'mirror',
      '--json',
      '--html',
      'o.html',
      '--svg',
      'o.svg',
    ];
    const { status, out, err } = await runHere(['evaluate', ...args], folder);
    expect([status, err]).to.deep.equal([0, '']);
    const result = JSON.parse(out);
    expect(result).to.include({ version: 1, network: 'cifar-alexnet', device: 'oracle', views: 2, count: 5 });
    expect(result.data).to.deep.equal({ path: 'cifar', format: 'CIFAR-10', split: 'test', pictures: 5 });
    expect(result.top1.right).to.equal(
      result.confusion.reduce(
        (sum: number, { truth, predicted, count }: Record<string, number>) =>
          sum + (truth === predicted ? count : 0),
        0,
      ),
    );
    expect(readFileSync(join(folder, 'o.html'), 'utf8')).to.match(/^<!doctype html>/);
    expect(readFileSync(join(folder, 'o.svg'), 'utf8')).to.match(/^<svg .*<\/svg>\n$/s);
  });

  it('names a picture that cannot be read, counts the others, and exits with 2', async () => {
    writeFileSync(join(folder, 'four.txt'), 'circle\ncross\nsquare\nstripes\na\nb\nc\nd\ne\nf\n');
    writeFileSync(join(folder, 'folders', 'val', 'cross', '0.png'), 'no picture');
    const { status, out, err } = await runHere(
      ['evaluate', 'folders', ...net, '--class-names', 'four.txt'],
      folder,
    );
    expect(err).to.match(/^alexnet: folders.val.cross.0\.png: .*\n$/);
    expect(out)
      .to.match(/of 7 /)
      .and.match(/1 pictures could not be read/);
    expect(status).to.equal(2);
  });
});
