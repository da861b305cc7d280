/** The one policy of every command that writes: docs/files.md. */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { built, runHere } from '../support/child.ts';
import { skipBecause } from '../support/skip.ts';
import { readNpz } from '../support/tensor-bytes.ts';

const NET = ['--network', 'cifar10-full'];
const RANDOM = [...NET, '--seed', '0'];

describe('what commands write, and what they leave alone', function () {
  this.timeout(300_000);
  let folder: string;
  const path = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(path(name), 'latin1');
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    expect((await alexnet(['export', 'net.onnx', ...RANDOM])).status).to.equal(0);
    expect((await alexnet(['export', 'apart.onnx', ...RANDOM, '--external-data'])).status).to.equal(0);
    expect((await alexnet(['weights', 'convert', 'net.onnx', 'w.safetensors', ...NET])).status).to.equal(0);
    expect((await alexnet(['weights', 'convert', 'net.onnx', 'w.npz', ...NET])).status).to.equal(0);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  interface Streams {
    readonly stdout?: number;
    readonly stderr?: number;
    readonly env?: NodeJS.ProcessEnv;
  }
  /** In a process of its own, where its streams or its environment matter. */
  function apart(args: readonly string[], { stdout, stderr, env }: Streams) {
    const { GITHUB_ACTIONS: _, GITHUB_STEP_SUMMARY: __, ...usual } = process.env;
    const run = spawnSync(process.execPath, [built(), ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...usual, ...env },
      stdio: ['ignore', stdout ?? 'pipe', stderr ?? 'pipe'],
    });
    return { status: run.status, out: run.stdout, err: run.stderr };
  }

  const alexnet = (args: readonly string[]) => runHere(args, folder);

  async function refused(args: readonly string[], message: RegExp, status = 2): Promise<void> {
    const run = await alexnet(args);
    expect(run.err, args.join(' ')).to.match(message);
    expect(run.err.trim().split('\n'), run.err).to.have.length(1);
    expect([run.status, run.out]).to.deep.equal([status, '']);
  }
  const KEPT =
    /exists, and nothing in it shows that this program wrote it.*: name another file, or overwrite it with --force$/m;
  const INPUT = /would overwrite an input: name another file$/m;

  it('every command overwrites what it wrote, and keeps what it did not unless forced', async () => {
    const verify = ['verify', 'net.onnx', ...NET, '--device', 'cpu'];
    const reports = ['--report-json', 'r.json', '--junit', 'r.xml', '--sarif', 'r.sarif', '--html', 'r.html'];
    const commands: [files: string[], args: string[]][] = [
      [['own.onnx'], ['export', 'own.onnx', ...RANDOM]],
      [['own.safetensors'], ['weights', 'convert', 'net.onnx', 'own.safetensors', ...NET]],
      [['own.npz'], ['weights', 'convert', 'net.onnx', 'own.npz', ...NET]],
      [
        ['save/oracle.npz', 'r.json', 'r.xml', 'r.sarif', 'r.html'],
        [...verify, '--save', 'save', ...reports],
      ],
    ];
    for (const [files, args] of commands) {
      expect((await alexnet(args)).status, args.join(' ')).to.equal(0);
      const again = await alexnet(args);
      expect([again.status, again.err], args.join(' ')).to.deep.equal([0, '']);
      const others = files.map(
        (file) => [file, `{"version":1}<svg><!doctype html>${read(file).slice(40, -40)}`] as const,
      );
      for (const [file, text] of others) {
        const own = read(file);
        writeFileSync(path(file), text, 'latin1');
        await refused(args, KEPT);
        writeFileSync(path(file), own, 'latin1');
      }
      for (const [file, text] of others) writeFileSync(path(file), text, 'latin1');
      const forced = await alexnet([...args, '--force']);
      expect(forced.status, forced.err).to.equal(0);
      for (const file of files) {
        expect(read(file).length, file).to.be.above(50);
        expect(read(file), file).to.not.match(/^\{"version":1\}<svg>/);
      }
    }
  });

  it('weights of formats without a mark are kept, whoever wrote them', async () => {
    for (const name of ['w.pth', 'w.caffemodel']) {
      const args = ['weights', 'convert', 'net.onnx', name, ...NET];
      expect((await alexnet(args)).status).to.equal(0);
      const before = read(name);
      await refused(args, KEPT);
      await refused(['export', name, ...RANDOM], KEPT);
      expect(read(name)).to.equal(before);
      expect((await alexnet([...args, '--force'])).status).to.equal(0);
    }
  });

  it('no report overwrites a package.json, a page or a model', async () => {
    writeFileSync(path('package.json'), '{"name":"mine"}');
    for (const [option, name] of [
      ['--report-json', 'package.json'],
      ['--html', 'package.json'],
      ['--junit', 'net.onnx'],
    ]) {
      const model = name === 'net.onnx' ? 'apart.onnx' : 'net.onnx';
      await refused(['verify', model, ...NET, option, name], KEPT);
    }
    expect(read('package.json')).to.equal('{"name":"mine"}');
  });

  it('inputs are kept, external data too, forced or not', async () => {
    symlinkSync('apart.onnx.data', path('link'));
    execFileSync('ln', [path('apart.onnx.data'), path('hard')]);
    const before = read('apart.onnx.data');
    writeFileSync(path('x.npy'), npy());
    for (const out of ['apart.onnx.data', './apart.onnx', 'link', 'hard', 'x.npy'])
      for (const force of [[], ['--force']])
        await refused(['run', 'apart.onnx', '--input', 'input=x.npy', '--out', out, ...force], INPUT);
    await refused(
      ['weights', 'convert', 'apart.onnx', 'hard.npz', ...NET, '--to', 'nope'],
      /unknown network/,
    );
    await refused(['verify', 'apart.onnx', ...NET, '--report-json', 'apart.onnx.data', '--force'], INPUT);
    await refused(['export', 'w.safetensors', ...NET, '--weights', 'w.safetensors', '--force'], INPUT);
    await refused(['export', 'new.onnx', ...NET, '--weights', 'nope.npz'], /nope\.npz/);
    await refused(['weights', 'convert', 'w.npz', './w.npz', ...NET], INPUT);
    expect(read('apart.onnx.data')).to.equal(before);
  });

  it('two options for one file are refused, whatever they call it', async () => {
    mkdirSync(path('d'));
    const two = (a: string, b: string) => ['verify', 'net.onnx', ...NET, '--junit', a, '--html', b];
    await refused(two('same', './same'), /--junit and --html cannot share a file/);
    await refused(
      ['verify', 'net.onnx', ...NET, '--save', 'd', '--html', 'd/oracle.npz'],
      /--save and --html cannot share/,
    );
    await refused(
      ['verify', 'net.onnx', ...NET, '--bundle', 'd', '--html', 'd/repro.mjs'],
      /--bundle and --html cannot/,
    );
  });

  it('a link stays, its target and the mode of what was there too', async () => {
    expect((await alexnet(['export', 'real.onnx', ...RANDOM])).status).to.equal(0);
    execFileSync('chmod', ['600', path('real.onnx')]);
    symlinkSync('real.onnx', path('link.onnx'));
    const { ino } = statSync(path('real.onnx'));
    expect((await alexnet(['export', 'link.onnx', ...NET, '--seed', '5'])).status).to.equal(0);
    expect(execFileSync('readlink', [path('link.onnx')], { encoding: 'utf8' })).to.equal('real.onnx\n');
    const after = statSync(path('real.onnx'));
    expect(after.mode & 0o777).to.equal(0o600);
    expect(after.ino).to.not.equal(ino);
  });

  it('/dev/null stays, a pipe gets the model, standard output gets it alone', async () => {
    expect((await alexnet(['export', '/dev/null', ...RANDOM])).status).to.equal(0);
    expect(statSync('/dev/null').isCharacterDevice()).to.equal(true);
    execFileSync('mkfifo', [path('pipe')]);
    const file = openSync(path('through'), 'w');
    const reader = spawn('cat', [path('pipe')], { stdio: ['ignore', file, 'inherit'] });
    const ended = new Promise((done) => reader.on('close', done));
    expect((await alexnet(['export', 'pipe', ...RANDOM])).status).to.equal(0);
    await ended;
    closeSync(file);
    expect(read('through')).to.equal(read('net.onnx'));
    expect(statSync(path('pipe')).isFIFO()).to.equal(true);
    const stdout = openSync(path('out'), 'w');
    const { status, err } = apart(['export', '/dev/stdout', ...RANDOM], { stdout });
    closeSync(stdout);
    expect(status).to.equal(0);
    expect(err).to.match(/^\/dev\/stdout: cifar10-full, /);
    expect(read('out')).to.equal(read('net.onnx'));
  });

  it('the verdict comes before the reports; one that cannot be written costs no other', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    const args = [
      'verify',
      'net.onnx',
      ...NET,
      '--device',
      'cpu',
      '--report-json',
      '/dev/full',
      '--junit',
      'left.xml',
    ];
    const run = await alexnet(args);
    expect(run.out).to.match(/PASS/);
    expect(run.err).to.match(/^alexnet: \/dev\/full: cannot be written: the disk is full: [^\n]*\n$/);
    expect(run.status).to.equal(3);
    expect(read('left.xml')).to.match(/<testsuites name="alexnet verify"/);
  });

  it('standard output or standard error that is full: exit 3, and the reports are there', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    const full = openSync('/dev/full', 'w');
    const args = ['verify', 'net.onnx', ...NET, '--device', 'cpu', '--html'];
    const out = apart([...args, 'out.html'], { stdout: full });
    expect(out.err).to.match(/^alexnet: standard output cannot be written: the disk is full: [^\n]*\n$/);
    expect([out.status, existsSync(path('out.html'))]).to.deep.equal([3, true]);
    const err = apart([...args, 'err.html', '--json'], { stderr: full });
    expect(err.status).to.equal(3);
    expect(JSON.parse(err.out).verdict).to.equal('pass');
    expect(existsSync(path('err.html'))).to.equal(true);
    closeSync(full);
  });

  it('a folder in /proc and a missing TMPDIR are one line', async function () {
    if (!existsSync('/proc/self')) skipBecause(this, 'there is no /proc');
    await refused(
      ['verify', 'net.onnx', ...NET, '--save', '/proc/x'],
      /^alexnet: \/proc\/x: cannot be written: /,
    );
    const run = apart(['verify', 'net.onnx', ...NET, '--device', 'cpu'], {
      env: { TMPDIR: path('none'), TSX_DISABLE_CACHE: '1' },
    });
    expect(run.err).to.match(
      /none: no temporary folder can be made: it does not exist; TMPDIR names another place$/m,
    );
    expect(run.status).to.equal(3);
  });

  it('few descriptors are one line, exit 3', () => {
    const line = `ulimit -n 24; exec '${process.execPath}' '${built()}' summary`;
    const { status, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
    expect(stderr).to.match(/^alexnet: cannot be loaded: [^\n]*: raise `ulimit -n` if it is low[^\n]*\n$/);
    expect(status).to.equal(3);
  });

  it('folders that were made for nothing are removed', async () => {
    await refused(
      ['verify', 'net.onnx', '--network', 'nope', '--save', 'made/for', '--bundle', 'nothing'],
      /nope/,
    );
    expect(readdirSync(folder)).to.not.include.members(['made']);
    expect(readdirSync(folder)).to.not.include.members(['nothing']);
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).to.deep.equal([]);
  });

  it('run --out is an archive that is recognised and read', async () => {
    const args = ['run', 'net.onnx', '--input', 'input=x.npy', '--out', 'y.npz'];
    expect((await alexnet(args)).status).to.equal(0);
    const again = await alexnet(args);
    expect(again.status, again.err).to.equal(0);
    expect([...readNpz(new Uint8Array(readFileSync(path('y.npz')))).keys()]).to.include('prob');
  });
});

/** Zeros for a batch of one picture, 3×32×32. */
function npy(): Buffer {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 32, 32), }".padEnd(117, ' ');
  const head = Buffer.from(`\x93NUMPY\x01\x00v\x00${header}\n`, 'latin1');
  return Buffer.concat([head, Buffer.alloc(4 * 3 * 32 * 32)]);
}
