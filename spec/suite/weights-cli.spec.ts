import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runHere } from '../support/child.ts';

const tiny = fileURLToPath(new URL('../../fixtures/format/weights/tiny.npz', import.meta.url));
const guerzhoy = tiny.replace('tiny.npz', 'guerzhoy.npy');

describe('alexnet weights', function () {
  this.timeout(180_000);
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weights-cli-'));
    writeFileSync(join(folder, 'cat.jpg'), Buffer.from('ffd8ffe000104a464946', 'hex'));
    writeFileSync(join(folder, 'empty'), '');
    writeFileSync(join(folder, 'bare.pkl'), "cos\nsystem\n(S'touch was-here'\ntR.", 'latin1');
    const float8 = '\x80\x02ctorch._utils\n_rebuild_tensor_v3\n(I1\ntR.';
    writeFileSync(join(folder, 'float8.pkl'), float8, 'latin1');
    writeFileSync(join(folder, 'evil.pkl'), "\x80\x02cos\nsystem\n(S'touch was-here'\ntR.", 'latin1');
  });
  after(() => rmSync(folder, { recursive: true }));
  const alexnet = (...args: string[]) => runHere(['weights', ...args], folder, { XDG_CACHE_HOME: folder });

  it('inspect: a table for people, JSON for programs', async () => {
    const { out, status } = await alexnet('inspect', guerzhoy);
    expect(status).to.equal(0);
    expect(out).to.match(/^[^\n]+: npy of objects, [\d,]+ bytes, [\d,]+ values\n/);
    expect(out).to.match(/fc6\/0 +float32 +144×8 .* fc6\.weight +\(in,out\) transposed .* H,W,C to C,H,W/);
    const json = JSON.parse((await alexnet('inspect', guerzhoy, '--json')).out);
    expect(json).to.include({ version: 1, format: 'npy of objects', by: 'Caffe names' });
    expect(json.tensors).to.have.length(16);
  });

  it('convert, then diff: the same bits, exit 0; others, exit 1', async () => {
    const made = await alexnet('convert', guerzhoy, 'w.pth', '--network', 'bvlc-alexnet', '--json');
    expect(made.status, made.err).to.equal(0);
    expect(JSON.parse(made.out)).to.include({ version: 1, network: 'bvlc-alexnet', tensors: 16 });
    expect(made.err).to.match(/conv1\.weight, .*: \(H,W,I,O\) transposed to \(O,I,H,W\)\n/);
    const same = await alexnet('diff', tiny, 'w.pth');
    expect(same.out).to.match(/hold the same bits \(16 tensors\)/);
    expect(same.status).to.equal(0);
    await alexnet('convert', 'w.pth', 'rgb.npz', '--network', 'bvlc-alexnet', '--channels', 'RGB');
    const other = await alexnet('diff', tiny, 'rgb.npz', '--json');
    expect(other.status).to.equal(1);
    const differing = JSON.parse(other.out).tensors.filter((t: { differing: number }) => t.differing > 0);
    expect(differing.map((t: { name: string }) => t.name)).to.deep.equal(['conv1.weight']);
  });

  it('get: the list of what there is', async () => {
    const { out, status } = await alexnet('get');
    expect(status).to.equal(0);
    for (const name of ['torchvision', 'bvlc-alexnet', 'caffenet', 'onnx-zoo']) expect(out).to.include(name);
    expect(JSON.parse((await alexnet('get', '--json')).out).sources).to.have.length(5);
  });

  const wrong: [string, string[], RegExp][] = [
    ['a subcommand that is none', ['explain', tiny], /unknown command 'explain'/],
    ['a missing file', ['inspect', 'none.npz'], /none\.npz: no such file/],
    ['a folder', ['inspect', '.'], /is a directory/],
    ['a picture', ['inspect', 'cat.jpg'], /cat\.jpg: a picture, not weights/],
    ['an empty file', ['inspect', 'empty'], /empty: the file is empty/],
    ['tensors of float8', ['inspect', 'float8.pkl'], /float8.*: save them as float32/],
    ['a bare pickle', ['inspect', 'bare.pkl'], /refused: the pickle names 'os\.system'/],
    [
      'a mean for a padded conv1',
      ['convert', tiny, 'x.npz', '--network', 'alexnet2012-as-run', '--fold', 'mean'],
      /pads \[0,0,3,3\]: a mean cannot be folded|mean image/,
    ],
    [
      "another network's LRN",
      ['convert', tiny, 'x.npz', '--network', 'bvlc-alexnet', '--to', 'alexnet2012'],
      /no weight can carry the constants/,
    ],
    ['a pickle that would run something', ['inspect', 'evil.pkl'], /refused: the pickle names 'os\.system'/],
    [
      'weights that do not fit',
      ['inspect', tiny, '--network', 'torchvision'],
      /'conv2\.weight' \[4,2,5,5\] cannot/,
    ],
    ['an unknown network', ['convert', tiny, 'x.npz', '--network', 'lenet'], /unknown network 'lenet'/],
    ['a format that is not written', ['convert', tiny, 'x.onnx'], /alexnet export/],
    ['a range that is none', ['convert', tiny, 'x.npz', '--range', '2'], /must be 255 or 1/],
    ['names that are none', ['convert', tiny, 'x.npz', '--names', 'x'], /Allowed choices/],
    ['unknown public weights', ['get', 'vgg'], /no public weights 'vgg'/],
    ['offline without a cache', ['get', 'torchvision', '--offline'], /--offline forbids/],
    ['public weights before they are here', ['inspect', 'torchvision'], /`alexnet weights get torchvision`/],
  ];
  for (const [what, args, reason] of wrong) {
    it(`refuses ${what} with exit 2 and one line`, async () => {
      const { out, err, status } = await alexnet(...args);
      expect(status, err).to.equal(2);
      expect(err)
        .to.match(reason)
        .and.match(/^alexnet: [^\n]+\n$/);
      expect(out).to.equal('');
    });
  }

  it('ran nothing of what the pickle names', () => {
    expect(() => readFileSync(join(folder, 'was-here'))).to.throw(/ENOENT/);
  });
});
