import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { LOADER } from '../../support/child.ts';

const threads = fileURLToPath(new URL('../../../lib/runtime/threads.ts', import.meta.url));

/** What a program prints that opens two threads, which take 20 ms for a job, and how it ends. */
function program(text: string) {
  const source = `
    import { Worker } from 'node:worker_threads';
    import { openThreads } from ${JSON.stringify(threads)};
    const start = () => new Worker(\`
      const { parentPort } = require('node:worker_threads');
      parentPort.on('message', (job) => setTimeout(() => parentPort.postMessage({ result: job }), 20));
      parentPort.postMessage('ready');\`, { eval: true, execArgv: [] });
    const open = () => openThreads({ threads: 2, start, lost: (job) => job });
    ${text}`;
  const args = ['--import', LOADER, '--input-type=module', '--eval', source];
  const { status, signal, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
  return [status ?? signal, stdout];
}

describe('lib/runtime/threads', () => {
  it('keep the process alive while they have something to do, and no longer', () => {
    expect(program('console.log(await open().run("a"));')).to.deep.equal([0, 'a\n']);
  });

  it('closed in the middle of a job, they are gone before the process is', () => {
    // both results lie there unread when the threads are ended
    const closing = `
      const pool = open();
      await Promise.all([pool.run('first'), pool.run('second')]);
      const rest = Promise.allSettled([pool.run('a'), pool.run('b')]);
      await new Promise(setImmediate);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      await pool.close();
      await rest;
      console.log('closed');`;
    expect(program(closing)).to.deep.equal([0, 'closed\n']);
  });
});
