/**
 * What a type in a public signature refers to is public too: TypeDoc over every door without a warning. TypeDoc comes
 * from npm's registry, with the TypeScript that it needs; where that cannot be reached this is skipped.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { unreachable } from '../support/registry.ts';
import { skipBecause } from '../support/skip.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the pages of the API', function () {
  this.timeout(300_000);
  it('are made without a warning', function () {
    const args = ['run', 'docs', '--', '--emit', 'none'];
    const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
    if (unreachable(stderr))
      skipBecause(this, "npm's registry cannot be reached, so that TypeDoc cannot come");
    expect(status, `${stdout}\n${stderr}`).to.equal(0);
  });
});
