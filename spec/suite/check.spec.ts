/** `npm run check` beside the other specs: types, and the linter without a warning. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

describe('the sources', function () {
  this.timeout(180_000);
  it('are typed, linted and formatted', () => {
    const cwd = fileURLToPath(new URL('../../', import.meta.url));
    const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'check'], {
      cwd,
      encoding: 'utf8',
    });
    expect(status, `${stdout}${stderr}`.slice(-4000)).to.equal(0);
  });
});
