import { expect } from 'chai';
import { InputError } from '../../lib/errors.ts';
import { needsRestart, tf32IsOn } from '../../lib/runtime/tf32.ts';
import { runModule } from '../support/child.ts';

const off = { NVIDIA_TF32_OVERRIDE: '0' };

describe('TF32', () => {
  it('is switched off by a restart on CUDA alone, and only while it is on', () => {
    expect(needsRestart('cuda', false, {})).to.equal(true);
    expect(needsRestart('cuda', false, { NVIDIA_TF32_OVERRIDE: '1' })).to.equal(true);
    expect(needsRestart('cuda', false, off)).to.equal(false);
    for (const device of ['cpu', 'webgpu'] as const) expect(needsRestart(device, false, {})).to.equal(false);
  });

  it('stays on where it was asked for, and says so where the environment forbids it', () => {
    expect(needsRestart('cuda', true, {})).to.equal(false);
    expect(needsRestart('cpu', true, off)).to.equal(false);
    expect(() => needsRestart('cuda', true, off)).to.throw(InputError, /unset it/);
  });

  it('is on only on CUDA', () => {
    expect([tf32IsOn('cuda', {}), tf32IsOn('cuda', off), tf32IsOn('webgpu', {})]).to.deep.equal([
      true,
      false,
      false,
    ]);
  });

  describe('is switched off by a restart that', () => {
    /** A program that restarts itself on its argv[2] and then tells what it sees. */
    function run(device: string, last: string) {
      const env: NodeJS.ProcessEnv = { ...process.env };
      delete env.NVIDIA_TF32_OVERRIDE;
      const text = `
        import { restartWithoutTf32 } from '@/lib/runtime/tf32.ts';
        const code = await restartWithoutTf32(process.argv[2], false, (line) => console.error(line));
        if (code !== undefined) process.exit(code);
        process.stdin.on('data', (text) => console.log(String(text), process.env.NVIDIA_TF32_OVERRIDE));
        process.stdin.on('end', () => { console.log(process.argv.slice(2).join()); ${last} });`;
      return runModule(text, { env, args: [device, '--batch', '2 3'], input: 'hello' });
    }

    it('passes on arguments, streams and exit code, and says so once', () => {
      const { status, stdout, stderr } = run('cuda', 'process.exit(7)');
      expect(stdout).to.equal('hello 0\ncuda,--batch,2 3\n');
      expect(stderr.match(/NVIDIA_TF32_OVERRIDE=0/g)).to.have.length(1);
      expect(status).to.equal(7);
    });

    it('answers 128 and its number for a signal', () => {
      expect(run('cuda', `process.kill(process.pid, 'SIGKILL')`).status).to.equal(137);
    });

    it('does not happen on another device', () => {
      const { status, stdout, stderr } = run('webgpu', 'process.exit(5)');
      expect([status, stdout, stderr]).to.deep.equal([5, 'hello undefined\nwebgpu,--batch,2 3\n', '']);
    });
  });
});
