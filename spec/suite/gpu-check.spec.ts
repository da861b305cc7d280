/** bench/gpu-check.ts, on the CPU with the smallest network and time for its first steps alone. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parts, type Question } from '../../bench/gpu/parts.ts';
import { type Report, type Row, withReport } from '../../bench/gpu/table.ts';
import { LOADER } from '../support/child.ts';

const script = fileURLToPath(new URL('../../bench/gpu-check.ts', import.meta.url));

describe('the check of a GPU', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-gpu-check-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('writes what it found step by step, and goes on past what fails and past its time', () => {
    const json = join(folder, 'gpu.json');
    const args = [
      '--import',
      LOADER,
      script,
      '--on',
      'cuda,cpu',
      '--small',
      '--minutes',
      '0.2',
      '--json',
      json,
    ];
    // no CUDA here, or a card that is not asked: its steps fail, and the others run
    const env = { ...process.env, CUDA_VISIBLE_DEVICES: '-1' };
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    expect(status, stderr).to.equal(1);
    const { rows, machine } = JSON.parse(readFileSync(json, 'utf8')) as Report;
    expect(machine.command).to.match(/^bench\/gpu-check\.ts --on cuda,cpu --small/);
    expect(rows[0].question.part).to.equal('diagnosis');
    expect(rows[0].says).to.contain('cpu: works');
    expect(rows[1].ok).to.equal(false);
    expect(rows[1].says).to.match(/--device cuda does not work here/);
    expect(rows.at(-1)!.says).to.match(/no time was left$/);
    const table = readFileSync(join(folder, 'gpu.md'), 'utf8').trim().split('\n');
    expect(table).to.have.length(4 + rows.length);
  });

  it('counts a wrong kernel as wrong and a right one as right', async () => {
    const part = (question: Question) => parts[question.part](question);
    const network = 'cifar-alexnet';
    expect(await part({ part: 'right', network, device: 'cpu' })).to.deep.include({ ok: true });
    expect((await part({ part: 'planted', network, device: 'cpu' })).says).to.match(
      /^k \+ 0\.01 in norm1: fail, first norm1/,
    );
    // float32 is not TF32: the step that wants it told apart must not be content
    expect((await part({ part: 'tf32', network, device: 'cpu' })).ok).to.equal(false);
    const { figures } = await part({
      part: 'speed',
      network,
      device: 'cpu',
      batches: [2],
      seconds: 0.1,
      input: 'uint8',
    });
    const [{ imagesPerSecond }] = figures as { imagesPerSecond: number }[];
    expect(imagesPerSecond).to.be.above(0);
  });

  it('replaces what the document says of that card, and nothing else', () => {
    const row: Row = { question: { part: 'diagnosis' }, seconds: 1, ok: null, says: 'a | b' };
    const report = (name: string, says: string): Report => ({
      machine: { processor: '2 × X', gpus: [{ name }], node: 'v1', command: 'c', date: '2020-01-01' },
      rows: [{ ...row, says }],
    });
    const one = withReport('# Devices\n', report('H100', 'first'));
    const two = withReport(one, report('A100', 'other'));
    const three = withReport(two, report('H100', 'second | better'));
    expect(three).to.match(/^# Devices\n/);
    expect(three).to.contain('second \\| better').and.not.contain('first');
    expect(three).to.contain('other');
    expect(three.match(/gpu check: /g)).to.have.length(2);
  });
});
