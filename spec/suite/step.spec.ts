/** bench/step.ts: our training step and PyTorch's, of a net that is quick. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { LOADER } from '../support/child.ts';
import { needsPython } from '../support/pytorch.ts';

const script = fileURLToPath(new URL('../../bench/step.ts', import.meta.url));

describe('bench/step.ts', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-step-spec-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  before(function () {
    needsPython(this, 'torch', 'python3-torch');
  });
  const run = (...more: string[]) => {
    const args = [
      '--network',
      'cifar-relu',
      '--batch',
      '4',
      '--rounds',
      '2',
      '--json',
      join(folder, 'r.json'),
    ];
    return spawnSync(process.execPath, ['--import', LOADER, script, ...args, ...more], { encoding: 'utf8' });
  };

  it('times both after their losses agree', () => {
    const { status, stderr } = run();
    expect(status, stderr).to.equal(0);
    const { rows, ratio, difference, peakMB } = JSON.parse(readFileSync(join(folder, 'r.json'), 'utf8'));
    expect(rows.map(({ engine }: { engine: string }) => engine.split(' ')[0])).to.deep.equal([
      'alexnet-oracle,',
      'PyTorch',
    ]);
    for (const { medianMs, leastMs } of rows) expect(medianMs).to.be.at.least(leastMs);
    expect(ratio).to.be.above(0);
    expect(difference).to.be.within(0, 2 ** -14);
    expect(peakMB).to.be.above(50);
  });

  it('refuses to time a peer that trains by another rule', () => {
    const torchstep = readFileSync(new URL('../../bench/engines/torchstep.py', import.meta.url), 'utf8');
    const other = join(folder, 'other.py');
    // another momentum: the first two losses are the same, the third is not
    writeFileSync(other, torchstep.replace('momentum=spec["momentum"]', 'momentum=0.1'));
    const { status, stderr } = run('--peer-script', other);
    expect(status).not.to.equal(0);
    expect(stderr).to.match(/the losses differ/);
  });
});
