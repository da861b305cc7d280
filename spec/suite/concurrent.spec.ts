import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Output, writeTogether } from '../../lib/disk/write.ts';
import { startThread } from '../../lib/runtime/threads.ts';
import { LOADER } from '../support/child.ts';

const ROUNDS = 42;
/** Where forcing to the disk takes no time: only the order of events counts here. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

describe('many writers of one file', function () {
  this.timeout(120_000);
  let folder: string;
  const path = (name: string): string => join(folder, name);
  beforeEach(() => {
    folder = mkdtempSync(join(MEMORY, 'alexnet-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Long enough for many pieces, and different in every writer and round. */
  const textOf = (writer: number, round: number): string =>
    `<svg x=""><!-- alexnet-oracle -->${`${writer}-${round};`.repeat(2000)}`;

  it(`${ROUNDS} rounds in this process, others and threads: nothing is lost, mixed or left`, async () => {
    const module = fileURLToPath(new URL('../support/disk-writer.ts', import.meta.url));
    const children = [1, 2].map(() => fork(module, { execArgv: ['--import', LOADER] }));
    const threads = [1, 2].map(() => startThread('../support/disk-writer', import.meta.url, null));
    const others = [
      ...children.map((child) => ({ port: child, send: (outputs: Output[]) => void child.send(outputs) })),
      ...threads.map((thread) => ({
        port: thread,
        send: (outputs: Output[]) => thread.postMessage(outputs),
      })),
    ];
    const said = (port: (typeof others)[number]['port']): Promise<unknown> =>
      once(port, 'message').then(([text]) => text);
    try {
      expect(await Promise.all(others.map(({ port }) => said(port)))).to.deep.equal(
        others.map(() => 'ready'),
      );
      for (let round = 0; round < ROUNDS; round++) {
        // every other round begins without a file; every third writes two that belong together
        const names = round % 3 === 0 ? ['a', 'b'] : ['a'];
        if (round % 2 === 0) for (const name of names) rmSync(path(name), { force: true });
        const outputs = (writer: number): Output[] =>
          names.map((name) => ({ path: path(name), mark: 'svg', content: textOf(writer, round) }));
        const here = [0, 1].map((writer) => writeTogether(outputs(writer)).then(() => '', String));
        const there = others.map(({ port, send }, i) => {
          const done = said(port);
          send(outputs(2 + i));
          return done;
        });
        const failed = (await Promise.all([...here, ...there])).filter((text) => text !== '');
        expect(failed).to.deep.equal([]);
        const contents = new Set(names.map((name) => readFileSync(path(name), 'utf8')));
        expect(contents.size, 'files of one writer').to.equal(1);
        const whole = [0, 1, 2, 3, 4, 5].map((writer) => textOf(writer, round));
        expect(whole.includes([...contents][0]), 'whole').to.equal(true);
      }
      expect(readdirSync(folder).sort()).to.deep.equal(['a', 'b']);
      expect(statSync(path('a')).nlink).to.equal(1);
    } finally {
      for (const child of children) child.kill();
      await Promise.all(threads.map((thread) => thread.terminate()));
    }
  });

  it('of many that meet the lock of a killed process one alone gets it', async () => {
    const lock = new URL('../../lib/disk/lock.ts', import.meta.url).href;
    const dead = spawn('true');
    await once(dead, 'exit');
    const { self } = await import('../../lib/disk/temporary.ts');
    const stale = { ...self, pid: dead.pid, token: 't', host: 'h', since: 's' };
    writeFileSync(path('.alexnet.lock'), JSON.stringify(stale));
    const program = `
      import { lockFolder } from ${JSON.stringify(lock)};
      process.on('message', () => {
        try { process.send(lockFolder(${JSON.stringify(folder)}).takenOver ? 'got' : 'free'); }
        catch (error) { process.send(error.message); }
      });
      process.send('ready');`;
    writeFileSync(path('main.mts'), program);
    const children = Array.from({ length: 4 }, () =>
      fork(path('main.mts'), { execArgv: ['--import', LOADER] }),
    );
    try {
      await Promise.all(children.map((child) => once(child, 'message')));
      const answers = children.map((child) => once(child, 'message').then(([text]) => text as string));
      for (const child of children) child.send('go');
      const got = await Promise.all(answers);
      // 'free': it came between the one that cleared the old lock away and its own
      const held = got.filter((text) => text === 'got' || text === 'free');
      expect(held, got.join()).to.have.length(1);
      const kept = got.filter((text) => /: process \d+ writes there since/.test(text));
      expect(kept).to.have.length(children.length - 1);
    } finally {
      for (const child of children) child.kill();
    }
  });
});
