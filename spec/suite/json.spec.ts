/** docs/json.md against what every command prints: one object, the fields that are told of and no others. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { runHere } from '../support/child.ts';
import { differences, parseShape } from '../support/jsonshape.ts';
import { shared } from '../support/shared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(root, 'docs/json.md'), 'utf8');

/** The shapes that the section of a command gives, all as alternatives. */
function told(command: string) {
  const section = text.split('\n## ').find((part) => part.startsWith(`alexnet ${command}\n`)) ?? '';
  const shapes = [...section.matchAll(/`(\{ version[^`]*)`/g)].map(([, shape]) => shape);
  expect(shapes, `docs/json.md on ${command}`).not.to.have.lengthOf(0);
  return shapes.flatMap(parseShape);
}

describe('docs/json.md and --json', function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function check(command: string, args: readonly string[], status = 0): Promise<void> {
    const run = await runHere([...command.split(' '), ...args, '--json'], folder);
    expect(run.status, run.err).to.equal(status);
    const value = JSON.parse(run.out);
    expect(value.version).to.equal(1);
    expect(differences(value, told(command))).to.deep.equal([]);
  }

  const small = ['--network', 'cifar-relu'];
  it('export', () => check('export', ['m.onnx', ...small, '--seed', '0']));
  it('export --graph training', () => check('export', ['t.onnx', ...small, '--graph', 'training']));
  it('summary', () => check('summary', small));
  it('verify', () => check('verify', ['m.onnx', '--device', 'cpu', '--report-json', 'r.json']));
  it('verify --baseline', () => check('verify', ['m.onnx', '--device', 'cpu', '--baseline', 'r.json']));
  it('verify of a wrong network, which says why', () =>
    check('verify', ['m.onnx', '--device', 'cpu', '--network', 'cifar-tanh'], 1));
  it('verify --graph training', () =>
    check('verify', [...small, '--device', 'cpu', '--graph', 'training', '--batch', '2']));
  it('doctor', () => check('doctor', []));
  it('conform --write, and of what it wrote', async () => {
    await check('conform', ['--write', 'vectors']);
    await check('conform', ['vectors']);
  });
  it('run', async () => {
    const zeros = Buffer.alloc(4 * 3 * 32 * 32);
    writeNpy(join(folder, 'x.npy'), zeros, [1, 3, 32, 32]);
    await check('run', ['m.onnx', '--input', 'input=x.npy', '--out', 'y.npz']);
  });
  it('weights get, the list', () => check('weights get', []));

  it('predict, with a picture that cannot be read', async function () {
    const weights = shared(this, 'weights/torchvision-narrow.npz');
    const pictures = ['caffe_cat.jpg', 'made_zero_byte.jpg'].map((name) => shared(this, `images/${name}`));
    await check('predict', [...pictures, '--weights', weights], 2);
  });
  it('weights inspect, convert and diff', async function () {
    const weights = shared(this, 'weights/torchvision-narrow.npz');
    await check('weights inspect', [weights]);
    await check('weights convert', [weights, 'c.safetensors']);
    await check('weights diff', [weights, 'c.safetensors']);
  });
  it('evaluate and train', async function () {
    const data = shared(this, 'cifar10');
    await check('evaluate', [data, ...small, '--seed', '0', '--limit', '20']);
    const few = ['--images', '32', '--validation-images', '20', '--epochs', '1', '--batch', '16'];
    await check('train', [data, ...small, ...few, '--out', 'trained', '--device', 'cpu']);
  });
});

/** NumPy's format 1.0, little-endian float32. */
function writeNpy(path: string, data: Buffer, shape: readonly number[]): void {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117);
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, 118, 0]);
  writeFileSync(path, Buffer.concat([magic, Buffer.from(`${head}\n`), data]));
}
