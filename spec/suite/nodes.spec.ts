/** The fast twins have the bits of the plain loops under every supported Node, with V8's 256-bit vectors too. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { install, nodeOf } from '../../bench/peers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the specs of lib/fast under other versions of Node', function () {
  this.timeout(300_000);
  for (const [peer, flags, files] of [
    ['node22', [], '!(threads|backward)'],
    // what the command does where V8 can; without the flag these two run what Node 22 does
    // threads and gradients run the same kernels: the oldest wide V8 has the gradients, the newest the threads
    ['node24', ['--experimental-wasm-revectorize'], '!(threads|oracle)'],
    ['node26', ['--experimental-wasm-revectorize'], '!(backward)'],
  ] as const) {
    it(`pass under ${peer} ${flags.join(' ')}`, function () {
      const reason = install([peer]);
      if (reason) {
        console.log(`      skipped: ${reason}`);
        this.skip();
      }
      // not mocha's bin, which starts another Node, without the flags
      const mocha = [join(root, 'node_modules/mocha/lib/cli/cli.js'), '--no-config', '--reporter=json'];
      const args = [
        ...flags,
        '--import=./spec/support/loader.mjs',
        ...mocha,
        '--timeout=60000',
        `spec/lib/fast/${files}.spec.ts`,
      ];
      const { stdout } = spawnSync(nodeOf(peer), args, { cwd: root, encoding: 'utf8', timeout: 240_000 });
      const { stats, failures } = JSON.parse(stdout.slice(stdout.indexOf('{\n')));
      expect(failures.map(({ fullTitle }: { fullTitle: string }) => fullTitle)).to.deep.equal([]);
      expect(stats.passes).to.be.above(40);
    });
  }
});
