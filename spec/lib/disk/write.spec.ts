import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdtempSync,
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
import { makeFolder } from '../../../lib/disk/target.ts';
import { self } from '../../../lib/disk/temporary.ts';
import { type Output, writeTogether, writeWhole } from '../../../lib/disk/write.ts';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { LOADER } from '../../support/child.ts';
import { skipBecause } from '../../support/skip.ts';

const MODULE = new URL('../../../lib/disk/write.ts', import.meta.url).href;

describe('lib/disk/write: files are whole or not there', () => {
  let folder: string;
  const path = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(path(name), 'utf8');
  const names = (): string[] => readdirSync(folder).sort();
  const drawing = (text: string): string => `<svg x=""><!-- alexnet-oracle -->${text}`;
  const svg = (name: string, text: string): Output => ({
    path: path(name),
    mark: 'svg',
    content: drawing(text),
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function failure(promise: Promise<unknown>): Promise<Error> {
    return promise.then(
      () => expect.fail('it did not fail'),
      (error) => error,
    );
  }

  /** Pieces that end in the middle. */
  function* cutOff(then: () => void): Generator<Uint8Array> {
    yield Buffer.from('half');
    then();
  }

  it('in pieces or as a text, over what was there, and nothing else is left', async () => {
    await writeWhole({ ...svg('a', ''), content: [Buffer.from(drawing('1')), Buffer.from('2')] });
    expect(read('a')).to.equal(drawing('12'));
    await writeWhole(svg('a', '3'));
    expect(read('a')).to.equal(drawing('3'));
    expect(names()).to.deep.equal(['a']);
    expect(statSync(path('a')).nlink).to.equal(1);
  });

  it('a link stays, what it leads to is replaced; a dangling one gets its file', async () => {
    writeFileSync(path('target'), drawing('old'));
    symlinkSync('target', path('link'));
    symlinkSync('later', path('dangling'));
    await writeWhole(svg('link', 'new'));
    await writeWhole(svg('dangling', 'first'));
    expect([read('target'), read('later')]).to.deep.equal([drawing('new'), drawing('first')]);
    expect(names()).to.deep.equal(['dangling', 'later', 'link', 'target']);
    expect(execFileSync('readlink', [path('link')], { encoding: 'utf8' })).to.equal('target\n');
  });

  it('mode and, for root, owner stay; a new file has the usual mode', async () => {
    writeFileSync(path('private'), drawing('old'));
    chmodSync(path('private'), 0o600);
    const root = process.getuid?.() === 0;
    if (root) chownSync(path('private'), 12_345, 54_321);
    await writeWhole(svg('private', 'new'));
    await writeWhole(svg('fresh', ''));
    const { mode, uid, gid } = statSync(path('private'));
    expect(mode & 0o777).to.equal(0o600);
    if (root) expect([uid, gid]).to.deep.equal([12_345, 54_321]);
    expect(statSync(path('fresh')).mode & 0o777).to.equal(0o666 & ~process.umask());
  });

  it('pipes and devices are written into and stay what they are', async () => {
    execFileSync('mkfifo', [path('pipe')]);
    const reader = spawn('cat', [path('pipe')]);
    let got = '';
    reader.stdout.on('data', (chunk) => {
      got += chunk;
    });
    const ended = new Promise((done) => reader.on('close', done));
    const large = 'x'.repeat(300_000);
    await writeWhole({ path: path('pipe'), mark: null, content: large });
    await ended;
    expect(got).to.equal(large);
    expect(statSync(path('pipe')).isFIFO()).to.equal(true);
    const before = statSync('/dev/null').rdev;
    await writeWhole({ path: '/dev/null', mark: 'svg', content: 'x' });
    expect(statSync('/dev/null').isCharacterDevice()).to.equal(true);
    expect(statSync('/dev/null').rdev).to.equal(before);
    expect(names()).to.deep.equal(['pipe']);
  });

  it('/dev/stdout in a file goes on where the shell left it, and what is said later follows', () => {
    const program = `
      import { writeWhole } from ${JSON.stringify(MODULE)};
      await writeWhole({ path: '/dev/stdout', mark: null, content: 'model ' });
      await writeWhole({ path: '/dev/fd/3', mark: null, content: 'three' });
      process.stdout.write('words');`;
    writeFileSync(path('main.mts'), program);
    const line = `(echo before; '${process.execPath}' --import '${LOADER}' '${path('main.mts')}' 3>'${path('3')}') > '${path('out')}'`;
    const { status, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' });
    expect([status, stderr]).to.deep.equal([0, '']);
    expect([read('out'), read('3')]).to.deep.equal(['before\nmodel words', 'three']);
  });

  it('what comes while the content is written is kept, and the content thrown away', async () => {
    const foreign = function* () {
      yield Buffer.from('x');
      writeFileSync(path('a'), 'somebody else');
    };
    const error = await failure(writeWhole({ ...svg('a', ''), content: foreign() }));
    expect(error).to.be.instanceOf(InputError);
    expect(error.message).to.match(/exists, and nothing in it shows/);
    expect([read('a'), names()]).to.deep.equal(['somebody else', ['a']]);
  });

  it('a file that becomes an input meanwhile is kept too', async () => {
    writeFileSync(path('input'), drawing('weights'));
    const sly = function* () {
      yield Buffer.from('x');
      linkSync(path('input'), path('a'));
    };
    const error = await failure(writeWhole({ ...svg('a', ''), content: sly() }, { inputs: [path('input')] }));
    expect(error.message).to.match(/would overwrite an input/);
    expect(read('a')).to.equal(drawing('weights'));
  });

  it('where writing fails, the file before is there and nothing else is left', async () => {
    writeFileSync(path('a'), drawing('old'));
    const full = () => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    };
    const error = await failure(writeWhole({ ...svg('a', ''), content: cutOff(full) }));
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.equal(
      `${path('a')}: cannot be written: the disk is full: make room, or choose another disk`,
    );
    expect([read('a'), names()]).to.deep.equal([drawing('old'), ['a']]);
  });

  it('of several files all get their names or none', async () => {
    writeFileSync(path('a'), drawing('old a'));
    const late = function* () {
      yield Buffer.from('x');
      writeFileSync(path('c'), 'somebody else');
    };
    const c: Output = { ...svg('c', ''), content: late() };
    const error = await failure(writeTogether([svg('a', 'new a'), svg('b', 'new b'), c]));
    expect(error.message).to.match(/exists, and nothing in it shows/);
    expect([read('a'), read('c')]).to.deep.equal([drawing('old a'), 'somebody else']);
    expect(names()).to.deep.equal(['a', 'c']);
    rmSync(path('c'));
    await writeTogether([svg('a', 'new a'), svg('b', 'new b'), svg('c', 'new c')]);
    expect([read('a'), read('b'), read('c')]).to.deep.equal(['new a', 'new b', 'new c'].map(drawing));
    expect(names()).to.deep.equal(['a', 'b', 'c']);
  });

  it('a device that is full is the environment, exit 3', async function () {
    if (!existsSync('/dev/full')) skipBecause(this, 'there is no /dev/full');
    symlinkSync('/dev/full', path('a'));
    const error = await failure(writeWhole(svg('a', 'x')));
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/a: cannot be written: the disk is full/);
  });

  it('a disk that is really full: the file before stays, whole, and nothing is left on it', function () {
    const program = `
      import { writeWhole } from ${JSON.stringify(MODULE)};
      import { readdirSync, readFileSync } from 'node:fs';
      const one = (text) => ({ path: '${folder}/a', mark: 'svg', content: ${JSON.stringify(drawing(''))} + text });
      await writeWhole(one('old'));
      const error = await writeWhole(one('x'.repeat(1e6))).catch((e) => e);
      console.log(error.name, error.message.split(': ')[2]);
      console.log(readdirSync('${folder}').join(), readFileSync('${folder}/a', 'utf8').slice(-3));`;
    const elsewhere = mkdtempSync(join(tmpdir(), 'alexnet-'));
    try {
      writeFileSync(join(elsewhere, 'main.mts'), program);
      const mount = `mount -t tmpfs -o size=64k tmpfs '${folder}'`;
      const line = `${mount} || exit 77; exec '${process.execPath}' --import '${LOADER}' '${elsewhere}/main.mts'`;
      const { status, stdout, stderr } = spawnSync('unshare', ['-rm', 'sh', '-c', line], {
        encoding: 'utf8',
      });
      if (status === 77 || status === null || /unshare/.test(stderr))
        skipBecause(this, 'no tmpfs can be mounted');
      expect([status, stdout]).to.deep.equal([0, 'EnvironmentError the disk is full\na old\n'], stderr);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it('what killed processes left is removed, what others are writing is not', async () => {
    const { machine, pid, start } = self;
    const left = (m: string, p: number, s: number): string => `.alexnet-${m}-${p}-${s}-0123456789abcdef.tmp`;
    const dead = spawnSync('true').pid;
    const gone = [left(machine, dead, 1), left(machine, pid, start + 1)];
    const kept = [left(machine, pid, start), left('00000000', dead, 1), '.alexnet-notes.tmp', 'a.tmp'];
    for (const name of [...gone, ...kept]) writeFileSync(path(name), 'x');
    await writeWhole(svg('z', ''));
    expect(names()).to.deep.equal([...kept, 'z'].sort());
  });

  it('a folder is made with those around it, and removed again where it stayed empty', async () => {
    const removeEmpty = await makeFolder(path('a/b/c'));
    await removeEmpty();
    expect(names()).to.deep.equal([]);
    const keep = await makeFolder(path('a/b'));
    writeFileSync(path('a/b/x'), '');
    await keep();
    expect(read('a/b/x')).to.equal('');
    expect((await failure(makeFolder(path('a/b/x/y')))).message).to.match(/its folder is a file$/);
    expect((await failure(makeFolder(path('a/b/x')))).message).to.match(/it is not a folder$/);
    symlinkSync('nowhere', path('dangling'));
    expect((await failure(makeFolder(path('dangling')))).message).to.match(/no folder can be made there$/);
  });

  it('a folder in /proc is refused at once', async function () {
    if (!existsSync('/proc/self')) skipBecause(this, 'there is no /proc');
    expect((await failure(makeFolder('/proc/x/y'))).message).to.match(/^\/proc\/x\/y: cannot be written: /);
  });
});
