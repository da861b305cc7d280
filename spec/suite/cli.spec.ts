import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { runHere } from '../support/child.ts';

describe('alexnet on wrong use: one line, the right exit code, nothing left behind', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    writeFileSync(join(folder, 'empty.onnx'), '');
    writeFileSync(
      join(folder, 'noise.onnx'),
      Buffer.from('this is not a model at all, whatever its name says'),
    );
    writeFileSync(join(folder, 'noise.jpg'), 'no picture');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ['an unknown network', ['summary', '--network', 'lenet'], 2, /unknown network 'lenet'.*alexnet2012/],
    ['an unknown command', ['classify'], 2, /unknown command 'classify'/],
    ['an unknown option', ['verify', '--fast'], 2, /unknown option '--fast'/],
    ['an opset outside the range', ['export', 'o.onnx', '--opset', '99'], 2, /--opset 99.*13 to 25/],
    ['a number that is none', ['export', 'o.onnx', '--batch', 'many'], 2, /--batch/],
    [
      'a training graph of an open batch',
      ['export', 'o.onnx', '--graph', 'training', '--batch', 'dynamic'],
      2,
      /--graph training needs a fixed --batch/,
    ],
    [
      'a training graph of another opset',
      ['export', 'o.onnx', '--graph', 'gradients', '--opset', '13'],
      2,
      /--opset 18/,
    ],
    ['a loop without training', ['export', 'o.onnx', '--loop'], 2, /--loop needs --graph training/],
    [
      'weights for a graph without',
      ['export', 'o.onnx', '--graph', 'training', '--seed', '1'],
      2,
      /--seed or --init/,
    ],
    ['a missing weight file', ['verify', '--weights', 'nothing.npz'], 2, /nothing\.npz/],
    ['a folder for weights', ['verify', '--weights', '.'], 2, /directory/],
    ['a missing model', ['verify', 'nothing.onnx'], 2, /nothing\.onnx: no such file/],
    ['a folder for a model', ['verify', '.'], 2, /not a file/],
    ['an empty model', ['verify', 'empty.onnx'], 2, /empty\.onnx/],
    ['what is not a model', ['verify', 'noise.onnx'], 2, /noise\.onnx/],
    [
      'weights and a seed',
      ['export', 'o.onnx', '--weights', 'w.npz', '--seed', '1'],
      2,
      /--weights and --seed/,
    ],
    ['export without weights', ['export', 'o.onnx', '--network', 'cifar10-full'], 2, /export needs weights/],
    ['predict without weights', ['predict', 'noise.jpg'], 2, /predict needs weights/],
    ['a folder for an output', ['export', '.', '--network', 'cifar10-full'], 2, /folder|directory/],
    ['an output in no folder', ['export', 'no/o.onnx', '--network', 'cifar10-full'], 2, /no\/o\.onnx/],
    [
      'an input that is not a picture',
      ['verify', '--network', 'cifar10-full', '--input', 'noise.jpg'],
      2,
      /noise\.jpg/,
    ],
  ];
  for (const [what, args, status, message] of cases) {
    it(`${what}: exit ${status}`, async () => {
      const run = await runHere(args, folder);
      expect(run.err).to.match(message);
      expect(run.err.trim().split('\n')).to.have.lengthOf(1);
      expect(run.status).to.equal(status);
      expect(readdirSync(folder).sort()).to.deep.equal(['empty.onnx', 'noise.jpg', 'noise.onnx']);
    });
  }

  it('--device cuda without CUDA: exit 3', async function () {
    if (existsSync('/dev/nvidia0')) {
      console.log('      skipped: there is an NVIDIA GPU here');
      this.skip();
    }
    const run = await runHere(['verify', '--network', 'cifar10-full', '--device', 'cuda'], folder);
    expect(run.err).to.match(/--device cuda does not work here/);
    expect(run.err.trim().split('\n')).to.have.lengthOf(1);
    expect(run.status).to.equal(3);
  });

  it('a file that cannot be read as text does not get onto the terminal', async () => {
    writeFileSync(join(folder, 'noise.jpg'), Buffer.from([0x7b, 0x1b, 0x5b, 0x32, 0x4a, 0x0a, 0x07]));
    const run = await runHere(['predict', 'x.jpg', '--seed', '0', '--preprocess', 'noise.jpg'], folder);
    expect(run.err)
      .to.match(/noise\.jpg.*no valid JSON/)
      .and.not.include('\x1b');
    expect(run.status).to.equal(2);
  });

  it('export --json tells the bytes of both files', async () => {
    const args = [
      'export',
      'e.onnx',
      '--network',
      'cifar10-full',
      '--seed',
      '0',
      '--external-data',
      '--json',
    ];
    const { out } = await runHere(args, folder);
    const sizes = ['e.onnx', 'e.onnx.data'].map((name) => statSync(join(folder, name)).size);
    expect(JSON.parse(out).bytes).to.equal(sizes[0] + sizes[1]);
  });

  it('summary --json is one JSON object and nothing else', async () => {
    const { out, status } = await runHere(['summary', '--network', 'torchvision', '--json'], folder);
    expect(JSON.parse(out).total).to.include({ parameters: 61_100_840, macs: 714_188_480 });
    expect(status).to.equal(0);
  });
});
