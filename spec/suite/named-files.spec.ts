/** Every command that is given a file's name: the same mistake gets the same line wherever it is made. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runHere } from '../support/child.ts';
import { skipBecause } from '../support/skip.ts';

const PICTURE = fileURLToPath(new URL('../../fixtures/image/1x1-interlaced.png', import.meta.url));
const DATA = fileURLToPath(new URL('../../fixtures/data/cifar', import.meta.url));
const NET = ['--network', 'cifar10-full'];
const SHIPPED = ['--network', 'cifar-alexnet'];
const RANDOM = [...NET, '--seed', '0'];

/** What stands for the file's name in a command line. */
const FILE = /FILE/;
const commands: readonly (readonly string[])[] = [
  ['verify', 'FILE.onnx'],
  ['verify', ...NET, '--weights', 'FILE.npz'],
  ['verify', ...NET, '--weights', 'FILE.safetensors'],
  ['verify', ...NET, '--weights', 'FILE.pth'],
  ['verify', ...NET, '--weights', 'FILE.caffemodel'],
  ['verify', ...NET, '--weights', 'FILE.onnx'],
  ['verify', ...RANDOM, '--input', 'FILE.npy'],
  ['verify', ...RANDOM, '--input', 'FILE.npz'],
  ['verify', ...RANDOM, '--input', 'FILE.png'],
  ['verify', ...RANDOM, '--baseline', 'FILE.json'],
  ['verify', ...RANDOM, '--graph', 'gradients', '--labels', 'FILE.npy'],
  ['verify', ...SHIPPED, '--seed', '0', '--graph', 'gradients', '--dropout', 'FILE.npz'],
  ['predict', 'FILE.png', ...SHIPPED],
  ['predict', PICTURE, ...NET, '--weights', 'FILE.npz'],
  ['predict', PICTURE, ...SHIPPED, '--class-names', 'FILE.txt'],
  ['predict', PICTURE, ...RANDOM, '--mean', 'FILE.npy'],
  ['predict', PICTURE, ...RANDOM, '--mean', 'FILE.binaryproto'],
  ['predict', PICTURE, ...RANDOM, '--preprocess', 'FILE.json'],
  ['evaluate', 'FILE', ...RANDOM],
  ['evaluate', DATA, ...NET, '--weights', 'FILE.npz'],
  ['evaluate', DATA, ...RANDOM, '--class-names', 'FILE.txt'],
  ['evaluate', DATA, ...RANDOM, '--mean', 'FILE.npy'],
  ['evaluate', DATA, ...RANDOM, '--preprocess', 'FILE.json'],
  ['export', 'out.onnx', ...NET, '--weights', 'FILE.npz'],
  ['weights', 'inspect', 'FILE.npz'],
  ['weights', 'inspect', 'FILE.pth'],
  ['weights', 'convert', 'FILE.npz', 'out.npz', ...NET],
  ['weights', 'diff', 'FILE.npz', 'whole.npz'],
  ['weights', 'diff', 'whole.npz', 'FILE.npz'],
  ['run', 'FILE.onnx', '--out', 'out.npz'],
  ['run', 'net.onnx', '--out', 'out.npz', '--input', 'data=FILE.npy'],
  ['run', 'net.onnx', '--out', 'out.npz', '--input', 'data=FILE.npz'],
  ['conform', 'FILE'],
  ['train', 'FILE', '--out', 'training'],
  ['train', DATA, '--out', 'training', '--config', 'FILE.json'],
  ['train', DATA, '--out', 'training', ...NET, '--weights', 'FILE.npz'],
];

/** How each mistake is made, and the words for it. */
const mistakes: readonly [string, make: (path: string) => void, says: string][] = [
  ['missing', () => undefined, 'no such file'],
  ['folder', (path) => mkdirSync(path), 'is a directory, not a file'],
  ['closed', (path) => writeFileSync(path, '', { mode: 0 }), 'no permission to open it'],
  ['empty', (path) => writeFileSync(path, ''), 'the file is empty'],
];
/** Where a folder may stand: what it lacks is said instead. */
const folders = /^(evaluate|train|conform) FILE|^predict FILE|--input FILE.png/;
const otherwise: Readonly<Record<string, RegExp>> = {
  folder: /: no (data set|tests|JPEG or PNG)/,
  empty: /: (the file is empty|is a file, not a directory)/,
  closed: /: (no permission to open it|is a file, not a directory)/,
};

describe('a file that is named wrongly', function () {
  this.timeout(300_000);
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    for (const line of [
      ['export', 'net.onnx', ...RANDOM],
      ['weights', 'convert', 'net.onnx', 'whole.npz', ...NET],
    ])
      expect((await runHere(line, folder)).status).to.equal(0);
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [kind, make, says] of mistakes)
    for (const command of commands) {
      const args = command.map((word) => word.replace(FILE, kind));
      it(`${says}: ${args.map((word) => basename(word)).join(' ')}`, async function () {
        if (kind === 'closed' && process.geteuid?.() === 0) skipBecause(this, 'root may read every file');
        const name = args[command.findIndex((word) => FILE.test(word))].replace(/^data=/, '');
        make(join(folder, name));
        const { status, out, err } = await runHere(args, folder);
        rmSync(join(folder, name), { recursive: true, force: true });
        expect({ status, out }).to.deep.equal({ status: 2, out: '' });
        // predict tells on the error stream what it classifies with
        const lines = err
          .trimEnd()
          .split('\n')
          .slice(args[0] === 'predict' ? -1 : 0);
        expect(lines).to.have.lengthOf(1);
        expect(lines[0].startsWith(`alexnet: ${name}: `), lines[0]).to.equal(true);
        const line = folders.test(command.join(' ')) ? otherwise[kind] : undefined;
        if (line) expect(lines[0]).to.match(line);
        else expect(lines[0]).to.include(`${name}: ${says}`);
      });
    }
});
