/** Changed models through every command that takes one: spec/fuzz/graphs.ts, with other numbers and seeds too. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { LOADER } from '../support/child.ts';

const script = fileURLToPath(new URL('../fuzz/graphs.ts', import.meta.url));

describe('changed models', function () {
  this.timeout(180_000);
  it('end in a verdict or in one line, and in nothing else', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', LOADER, script, '60', '12'], {
      encoding: 'utf8',
    });
    expect(status, `${stdout.slice(0, 2000)}${stderr.slice(0, 2000)}`).to.equal(0);
    expect(stderr).to.equal('');
    const seen = JSON.parse(stdout) as Record<'models' | 'results' | 'refused' | 'reasons', number>;
    expect(seen.models).to.be.above(54);
    // changes that nothing notices, and such that are refused for many reasons
    expect(seen.results).to.be.above(20);
    expect(seen.refused).to.be.above(108);
    expect(seen.reasons).to.be.above(15);
  });
});
