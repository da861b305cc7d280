import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

const loader = new URL('../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
const module = new URL('../../lib/disk/temporary.ts', import.meta.url).href;

describe('temporary files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    for (const name of ['half', 'done']) writeFileSync(join(folder, name), 'x');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A process that remembers two files, forgets one, does `before`, and sends itself a signal. */
  function killed(before: string) {
    const program = `
      import { forget, remember } from ${JSON.stringify(module)};
      remember('half'); remember('done'); forget('done');
      ${before}
      process.kill(process.pid, 'SIGINT');
      setTimeout(() => {}, 200);`;
    const args = ['--import', loader, '--input-type=module', '-e', program];
    return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  }

  it('go when a signal ends the process, which still ends by that signal; what is forgotten stays', () => {
    const { signal } = killed('');
    expect(signal).to.equal('SIGINT');
    expect(existsSync(join(folder, 'half'))).to.equal(false);
    expect(existsSync(join(folder, 'done'))).to.equal(true);
  });

  it('stay where the program itself handles the signal', () => {
    const { status } = killed("process.on('SIGINT', () => {});");
    expect(status).to.equal(0);
    expect(existsSync(join(folder, 'half'))).to.equal(true);
  });

  it('leave no handler behind', () => {
    const { signal, stderr } = killed("forget('half'); console.error(process.listenerCount('SIGINT'));");
    expect(signal).to.equal('SIGINT');
    expect(stderr.trim()).to.equal('0');
    expect(existsSync(join(folder, 'half'))).to.equal(true);
  });
});
