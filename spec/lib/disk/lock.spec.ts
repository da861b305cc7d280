import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { lockFolder } from '../../../lib/disk/lock.ts';
import { lives, self } from '../../../lib/disk/temporary.ts';
import { InputError } from '../../../lib/errors.ts';
import { LOADER } from '../../support/child.ts';

/** tsx for threads, into which the loader does not reach. */
const API = import.meta.resolve('tsx/esm/api').replace(/\.cjs$/, '.mjs');
const MODULE = new URL('../../../lib/disk/lock.ts', import.meta.url).href;

describe('lib/disk/lock', () => {
  let folder: string;
  const file = (): string => join(folder, '.alexnet.lock');
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A process that locks the folder, says how that went, and does `then`. */
  function other(then: string) {
    const program = `
      import { lockFolder } from ${JSON.stringify(MODULE)};
      try {
        const lock = lockFolder(${JSON.stringify(folder)});
        console.log(process.pid, lock.takenOver);
        ${then}
      } catch (error) { console.log(error.message); }`;
    const args = ['--import', LOADER, '--input-type=module', '-e', program];
    return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout.trim();
  }

  it('keeps out this process, another one and a thread, and names who holds it', async () => {
    const lock = lockFolder(folder);
    expect(lock.takenOver).to.equal(false);
    const busy = new RegExp(
      `: (this )?process \\(?${process.pid}\\)? writes there since \\d{4}-\\S+: wait for it`,
    );
    expect(() => lockFolder(folder)).to.throw(InputError, busy);
    expect(other('')).to.match(busy);
    const thread = new Worker(
      `import(${JSON.stringify(API)})
         .then((tsx) => (tsx.register(), import(${JSON.stringify(MODULE)})))
         .then(({ lockFolder }) => lockFolder(${JSON.stringify(folder)}))
         .catch((error) => require('node:worker_threads').parentPort.postMessage(error.message));`,
      { eval: true, execArgv: [] },
    );
    expect(await new Promise((done) => thread.once('message', done))).to.match(busy);
    await thread.terminate();
    lock.release();
    expect(readdirSync(folder)).to.deep.equal([]);
    lockFolder(folder).release();
  });

  it('is taken over from a process that was killed', () => {
    const said = other("process.kill(process.pid, 'SIGKILL');");
    expect(JSON.parse(readFileSync(file(), 'utf8')).pid).to.equal(Number(said.split(' ')[0]));
    const lock = lockFolder(folder);
    expect(lock.takenOver).to.equal(true);
    lock.release();
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('goes with a process that a signal ends', () => {
    other("process.kill(process.pid, 'SIGTERM'); await new Promise((done) => setTimeout(done, 500));");
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('a number that was given to another process since is nobody', () => {
    expect(lives(self)).to.equal(true);
    expect(lives({ ...self, start: self.start + 1 })).to.equal(self.start === 0);
    expect(lives({ ...self, machine: '00000000', pid: spawnSync('true').pid })).to.equal(true);
    writeFileSync(
      file(),
      JSON.stringify({ ...self, start: self.start + 1, token: 'x', host: 'h', since: 's' }),
    );
    if (self.start > 0) lockFolder(folder).release();
  });

  it('the lock of another machine stays, and the line says what to remove', () => {
    const holder = { machine: '00000000', pid: 4, start: 5, host: 'far', since: 'noon', token: 't' };
    writeFileSync(file(), JSON.stringify(holder));
    expect(() => lockFolder(folder)).to.throw(
      /process 4 on far \(if it is gone there, remove .*\.alexnet\.lock\)/,
    );
    writeFileSync(file(), 'no lock');
    expect(() => lockFolder(folder)).to.throw(InputError, /is not a lock of this program/);
  });
});
