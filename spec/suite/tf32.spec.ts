import { expect } from 'chai';
import { InputError } from '../../lib/errors.ts';
import { needsRestart, switchTf32Off, TF32_VARIABLE } from '../../lib/runtime/tf32.ts';
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

  it('is switched off in the process for a function, once and only where that can work', () => {
    const at = (
      isMainThread: boolean,
      loaded: boolean,
      environment: Record<string, string | undefined> = {},
    ) => {
      const said = switchTf32Off('cuda', { environment, isMainThread, loaded });
      return [said?.replace(/ before the process starts to switch it off$/, ''), environment[TF32_VARIABLE]];
    };
    expect(at(true, false)).to.deep.equal([undefined, '0']);
    expect(at(true, true, { ...off })).to.deep.equal([undefined, '0']);
    const mend = ': set NVIDIA_TF32_OVERRIDE=0';
    expect(at(true, true)).to.deep.equal([
      `TF32 is on, and a session on CUDA is open already${mend}`,
      undefined,
    ]);
    expect(at(false, false)).to.deep.equal([
      `TF32 is on, and a worker cannot change the process's environment${mend}`,
      undefined,
    ]);
    expect(at(true, false, { NVIDIA_TF32_OVERRIDE: '1' })).to.deep.equal([
      `TF32 is on, and NVIDIA_TF32_OVERRIDE=1 is set${mend}`,
      '1',
    ]);
    const environment = {};
    expect(switchTf32Off('webgpu', { environment, isMainThread: true, loaded: false })).to.equal(undefined);
    expect(environment).to.deep.equal({});
  });

  it('is switched off before the first session on CUDA; after it, there is a warning of one line', () => {
    const text = `
      import { openSession } from '@/lib/runtime/session.ts';
      import { probeModel } from '@/lib/runtime/probe-model.ts';
      import { withoutTf32 } from '@/lib/runtime/tf32.ts';
      process.on('warning', ({ message }) => console.log('main: ' + message));
      withoutTf32('cuda');
      console.log(process.env.NVIDIA_TF32_OVERRIDE);
      delete process.env.NVIDIA_TF32_OVERRIDE;
      await openSession(probeModel(), 'cuda').catch(() => {});
      withoutTf32('cuda');`;
    const env: NodeJS.ProcessEnv = { ...process.env };
    delete env.NVIDIA_TF32_OVERRIDE;
    const { stdout, stderr } = runModule(text, { env });
    expect(stdout.trim().split('\n'), stderr).to.deep.equal([
      '0',
      'main: TF32 is on, and a session on CUDA is open already: set NVIDIA_TF32_OVERRIDE=0 before the process starts to switch it off',
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
