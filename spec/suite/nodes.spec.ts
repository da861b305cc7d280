/**
 * The fast twins have the bits of the plain loops by every kind of instruction that a supported Node has: not relaxed,
 * as here with Node 20; relaxed; and in vectors of 256 bits.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { install, nodeOf } from '../../bench/peers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the specs of lib/fast under other versions of Node', function () {
  this.timeout(300_000);
  for (const [peer, flags, files] of [
    // threads and gradients run the same kernels
    ['node24', [], '!(threads)'],
    // what the command does where V8 can
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
