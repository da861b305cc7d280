/** Exit codes and streams of whole processes: what docs/json.md promises of them. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { fromTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { readCheckpoint } from '../../lib/train/checkpoint.ts';
import { zeros } from '../../reference/tensor.ts';
import { built, runHere } from '../support/child.ts';
import { skipBecause } from '../support/skip.ts';
import { tinyCifar } from '../support/training-data.ts';

const ROOT = new URL('../../', import.meta.url);
const NET = ['--network', 'cifar-relu'];
const CPU = ['--device', 'cpu'];

const sharpIsHere: boolean = await import('sharp' as string).then(
  () => true,
  () => false,
);

/** One command line a code that docs/json.md gives to the command; more where a code has reasons of its own. */
const codes: readonly (readonly [code: number, words: string])[] = [
  [0, 'summary'],
  [2, 'summary --network lenet'],
  [0, 'export m.onnx --network cifar-relu --seed 0'],
  [2, 'export none/m.onnx --network cifar-relu --seed 0'],
  [3, 'export /dev/full --network cifar-relu --seed 0'],
  [0, 'verify m.onnx --device cpu'],
  [1, 'verify m.onnx --device cpu --network cifar-tanh'],
  [1, 'verify half.onnx --device cpu --require float32'],
  [2, 'verify none.onnx'],
  [2, 'verify --tf32 --require float32'],
  [2, 'verify --tf32 --require float16'],
  [3, 'verify m.onnx --device cuda'],
  [0, 'predict p.png --network cifar-alexnet --device cpu'],
  [2, 'predict none.png --network cifar-alexnet --device cpu'],
  [3, 'predict p.png --network cifar-alexnet --decoder sharp'],
  [0, 'explain --out page.html --network cifar-relu --seed 0'],
  [2, 'explain none.png --out page.html --network cifar-relu --seed 0'],
  [3, 'explain --out /dev/full --network cifar-relu --seed 0'],
  [0, 'picture network --network cifar-relu --out n.svg'],
  [2, 'picture network --network cifar-relu'],
  [3, 'picture network --network cifar-relu --out full.svg'],
  [0, 'evaluate data --network cifar-alexnet --device cpu'],
  [2, 'evaluate none --network cifar-alexnet'],
  [3, 'evaluate folders --network cifar-alexnet --class-names names.txt --decoder sharp'],
  [0, 'doctor'],
  [2, 'doctor --add-cuda --remove-cuda'],
  [0, 'conform v/test_relu_rows'],
  [1, 'conform wrong'],
  [2, 'conform none'],
  [0, 'run m.onnx --input input=x.npy --out y.npz'],
  [2, 'run m.onnx --out z.npz'],
  [3, 'run m.onnx --input input=x.npy --out /dev/full'],
  [0, 'weights get'],
  [2, 'weights get lenet'],
  [3, 'weights get torchvision'],
  [0, 'weights convert m.onnx w.npz'],
  [2, 'weights convert none.onnx w.npz'],
  [3, 'weights convert m.onnx full.npz'],
  [0, 'weights inspect w.npz'],
  [2, 'weights inspect none.npz'],
  [0, 'weights diff w.npz m.onnx'],
  [1, 'weights diff w.npz other.onnx'],
  [2, 'weights diff w.npz none.npz'],
  [0, 'train data --network cifar-relu --epochs 1 --batch 10 --device cpu --out own'],
  [2, 'train none'],
  [3, 'train data --network cifar-relu --device cuda --out other'],
];

/** Loaded first: alexnet2012 gets few channels, and all that has 1000 classes a fault, fc8 first. */
const FAULT = `
import { createRequire } from 'node:module';
import { networkNamed } from '${new URL('dist/reference/networks/index.js', ROOT)}';
const { layers } = networkNamed('alexnet2012');
const last = layers.findLastIndex(({ kind }) => kind === 'linear');
for (const [i, layer] of layers.entries())
  if (layer.channels) layers[i] = { ...layer, channels: i === last ? 1000 : layer.channels / 16 };
const { InferenceSession } = createRequire('${ROOT}')('onnxruntime-node');
const { create } = InferenceSession;
InferenceSession.create = async (...given) => {
  const session = await create.apply(InferenceSession, given);
  const run = session.run.bind(session);
  session.run = async (...fed) => {
    const values = await run(...fed);
    for (const { dims, data } of Object.values(values))
      if (process.env.FAULT && dims[1] === 1000) data[0] += 1;
    return values;
  };
  return session;
};`;

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function ended(child: ChildProcess): Promise<Ended> {
  const said = { out: '', err: '' };
  child.stdout?.on('data', (text) => {
    said.out += text;
  });
  child.stderr?.on('data', (text) => {
    said.err += text;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, ...said })));
}

describe('whole processes', function () {
  this.timeout(120_000);
  const main = built();
  let folder: string;
  const path = (name: string): string => join(folder, name);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-processes-'));
    tinyCifar(path('data'), 20, 10);
    cpSync(fileURLToPath(new URL('fixtures/image/rgb8.png', ROOT)), path('p.png'));
    cpSync(fileURLToPath(new URL('fixtures/data/folders', ROOT)), path('folders'), { recursive: true });
    writeFileSync(path('names.txt'), 'circle\ncross\nsquare\nstripes\na\nb\nc\nd\ne\nf\n');
    writeFileSync(path('x.npy'), writeNpy(fromTensor(zeros([1, 3, 32, 32]))));
    writeFileSync(path('fault.mjs'), FAULT);
    for (const name of ['full.npz', 'full.svg']) symlinkSync('/dev/full', path(name));
    for (const line of [
      ['export', 'm.onnx', ...NET, '--seed', '0'],
      ['export', 'other.onnx', ...NET, '--seed', '1'],
      ['export', 'half.onnx', ...NET, '--seed', '0', '--precision', 'float16'],
      ['weights', 'convert', 'm.onnx', 'w.npz'],
      ['conform', '--write', 'v'],
    ]) {
      const { status, err } = await runHere(line, folder);
      expect(status, err).to.equal(0);
    }
    cpSync(path('v/test_relu_rows'), path('wrong'), { recursive: true });
    cpSync(path('wrong/test_data_set_0/input_0.pb'), path('wrong/test_data_set_0/output_0.pb'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess =>
    spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  describe('docs/json.md: the codes of each command', () => {
    for (const [code, words] of codes) {
      it(`${code}: alexnet ${words}`, async function () {
        if (words.includes('/dev/full') && !existsSync('/dev/full'))
          skipBecause(this, 'there is no /dev/full');
        if (words.includes('cuda') && code === 3 && existsSync('/dev/nvidia0'))
          skipBecause(this, 'there is an NVIDIA GPU here');
        if (words.includes('sharp') && sharpIsHere) skipBecause(this, 'sharp is installed');
        const { status, err } = await runHere(words.split(' '), folder, { XDG_CACHE_HOME: '/proc/none' });
        expect(status, err).to.equal(code);
        if (code > 1) expect(err).to.match(/^alexnet: [^\n]+\n$/m);
      });
    }

    for (const [code, words] of [
      [0, 'summary'],
      [1, 'weights diff w.npz other.onnx'],
      [2, 'summary --network lenet'],
      [3, 'verify m.onnx --device cuda'],
    ] as const) {
      it(`${code} is the process's own: alexnet ${words}`, async function () {
        if (code === 3 && existsSync('/dev/nvidia0')) skipBecause(this, 'there is an NVIDIA GPU here');
        expect((await ended(start([main, ...words.split(' ')]))).status).to.equal(code);
      });
    }
  });

  it('predict --out, killed again and again in the middle: in the end each picture has its line, whole and once', async () => {
    const list = ['train', 'val'].flatMap((part) =>
      ['circle', 'cross', 'square', 'stripes'].map((name) => `folders/${part}/${name}`),
    );
    const words =
      'predict - --network cifar-alexnet --device cpu --batch 1 --threads 1 --out all.jsonl --resume';
    const lines = () =>
      (existsSync(path('all.jsonl')) ? readFileSync(path('all.jsonl'), 'utf8') : '').split('\n');
    for (const until of [1, 9, 99]) {
      const child = spawn(process.execPath, [main, ...words.split(' ')], { cwd: folder });
      child.stdin.end(list.join('\n'));
      const watch = setInterval(() => lines().length > until && child.kill('SIGKILL'), 1);
      const { status, err } = await ended(child);
      clearInterval(watch);
      if (until === 99) expect(status, err).to.equal(0);
    }
    const images = lines().map((line, i, { length }) => (i === length - 1 ? line : JSON.parse(line).image));
    expect([images.length, new Set(images).size, images.at(-1)]).to.deep.equal([21, 21, '']);
  });

  describe('a reader that has gone, as of `| head -1`, is no error', () => {
    for (const words of [
      '--help',
      'summary',
      'export e.onnx --network cifar-relu --seed 0',
      'verify m.onnx --device cpu --html r.html',
      'predict p.png --network cifar-alexnet --device cpu',
      'explain --out e.html --network cifar-relu --seed 0',
      'picture network --network cifar-relu --out e.svg',
      'evaluate data --network cifar-alexnet --device cpu',
      'train data --network cifar-relu --epochs 1 --batch 10 --device cpu --out t',
      'doctor',
      'conform v/test_relu_rows',
      'run m.onnx --input input=x.npy --out y.npz',
      'weights get',
      'weights inspect w.npz',
      'weights convert m.onnx e.npz',
      'weights diff w.npz m.onnx',
    ]) {
      it(`alexnet ${words}`, async () => {
        const child = start([main, ...words.split(' ')]);
        child.stdout!.destroy();
        const { status, err } = await ended(child);
        expect(err).to.not.match(/alexnet: |EPIPE|^ +at /m);
        expect(status).to.equal(0);
      });
    }

    it('and costs none of the files', () => {
      for (const name of ['e.onnx', 'r.html', 'e.html', 'e.svg', 't/weights.safetensors', 'y.npz', 'e.npz'])
        expect(existsSync(path(name)), name).to.equal(true);
    });
  });

  it('standard output that cannot be written: one line, exit 3', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    const full = openSync('/dev/full', 'w');
    const { status, err } = await ended(
      spawn(process.execPath, [main, 'summary'], { stdio: ['ignore', full, 'pipe'] }),
    );
    closeSync(full);
    expect(err).to.equal(
      'alexnet: standard output cannot be written: the disk is full: make room, or choose another disk\n',
    );
    expect(status).to.equal(3);
  });

  it('npm start: 0 where all layers agree, 1 where one does not', async () => {
    const program = built('start.js');
    const fault = ['--import', pathToFileURL(path('fault.mjs')).href];
    const env = { NODE_OPTIONS: fault.join(' ') };
    const photo = fileURLToPath(new URL('../../fixtures/image/rgb-letters.jpg', import.meta.url));
    const right = await ended(start([program, photo, ...CPU], env));
    expect(right.out, right.err).to.match(/^PASS: alexnet2012/m);
    // no name of ImageNet is one of CIFAR-10
    const known = /^ +\d+\.\d % {2}(airplane|automobile|bird|cat|deer|dog|frog|horse|ship|truck)$/gm;
    const [random, trained] = right.out.split('cifar-alexnet, the trained model in the box');
    expect([random, trained].map((words) => words.match(known)?.length)).to.deep.equal([undefined, 5]);
    expect(right.status).to.equal(0);
    const wrong = await ended(start([program, ...CPU], { ...env, FAULT: '1' }));
    expect(wrong.out, wrong.err).to.match(/^FAIL: .*fc8/m);
    expect(wrong.status).to.equal(1);
  });

  it('train that is stopped: 1, one line, and the checkpoint of what is done', async () => {
    const options = [...NET, '--epochs', '10000', '--batch', '10', '--checkpoint-every', '1', ...CPU];
    const child = start([main, 'train', 'data', ...options, '--out', 'stopped', '--json']);
    const end = ended(child);
    const checkpoint = path('stopped/checkpoint.safetensors');
    while (!existsSync(checkpoint) && child.exitCode === null)
      await new Promise((done) => setTimeout(done, 20));
    child.kill('SIGINT');
    const { status, out, err } = await end;
    expect(err).to.match(/^alexnet: stopped; --resume goes on$/m);
    expect(status).to.equal(1);
    expect(JSON.parse(out)).to.include({ version: 1, stopped: true });
    expect(readCheckpoint(checkpoint).progress.steps).to.equal(JSON.parse(out).steps);
  });
});
