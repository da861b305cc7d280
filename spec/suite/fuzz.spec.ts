/** Twenty-five thousand damaged files through every reader: spec/fuzz/run.ts takes other numbers and seeds too. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { LOADER } from '../support/child.ts';

const script = fileURLToPath(new URL('../fuzz/run.ts', import.meta.url));

describe('twenty-five thousand damaged files', function () {
  this.timeout(180_000);
  it('are read or refused in one line, quickly, within bounds, touching and running nothing', () => {
    const { stdout, stderr, status } = spawnSync(
      process.execPath,
      ['--import', LOADER, script, '25000', '1'],
      {
        encoding: 'utf8',
      },
    );
    expect(status, stderr.slice(0, 2000)).to.equal(0);
    expect(stderr).to.equal('');
    const seen = JSON.parse(stdout) as Record<
      'files' | 'read' | 'refused' | 'reasons' | 'slowest' | 'resident',
      number
    >;
    expect(seen.files).to.equal(25_000);
    // damage that no reader notices lies in values; a fuzzer that only truncated would see few reasons
    expect(seen.read).to.be.within(1250, 12_500);
    expect(seen.reasons).to.be.greaterThan(50);
    // the runner ends at the first file that takes more than 2 s or 4 times its size and 64 MB; these prove that
    // it measured: the bombs alone take some milliseconds and megabytes
    expect(seen.slowest).to.be.within(1, 2000);
    if (process.platform === 'linux') expect(seen.resident).to.be.within(1e6, 80e6);
  });
});
