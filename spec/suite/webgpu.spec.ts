import { expect } from 'chai';
import { runModule } from '../support/child.ts';
import { needsSwiftshader } from '../support/swiftshader.ts';

const START = `
  import { readdirSync } from 'node:fs';
  import { holdDevice } from '@/lib/runtime/session.ts';
  import { PROBE_SHAPE, PROBE_X, probeModel } from '@/lib/runtime/probe-model.ts';
  import { openSession } from '@/lib/runtime/session.ts';
  import { tensor } from '@/reference/tensor.ts';
  const feeds = new Map([['x', tensor(Float32Array.from(PROBE_X), PROBE_SHAPE)]]);
  const say = (value) => process.stdout.write(JSON.stringify(value));
  const threads = () => readdirSync('/proc/self/task').length;`;

describe('a session on WebGPU (SwiftShader)', () => {
  const run = (text: string, env: NodeJS.ProcessEnv): unknown => {
    const { status, stdout, stderr } = runModule(START + text, { env });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
    return JSON.parse(stdout);
  };

  it('computes, and its nodes are placed on WebGPU', function () {
    const env = needsSwiftshader(this);
    const text = `
      await using session = await openSession(probeModel(), 'webgpu', { profile: true });
      const y = (await session.run(feeds)).get('y');
      const { nodes } = await session.placement();
      const elsewhere = nodes.filter(({ device }) => device !== 'WebGPU');
      say([[...y.data], elsewhere.map(({ op, device }) => [op, device]), nodes.length > 3]);`;
    expect(run(text, env)).to.deep.equal([
      [22, 49, 0, 0],
      // it has no kernel for LRN
      [['LRN', 'CPU']],
      true,
    ]);
  });

  it('keeps no threads and no memory after it is released', function () {
    const env = needsSwiftshader(this);
    // one session is held: the driver's own device, made anew when the last session goes, grows by up to 60
    // MB at first
    const text = `
      await using held = await holdDevice('webgpu');
      const cycle = async () => {
        await using session = await openSession(probeModel(), 'webgpu', { threads: 3 });
        await session.run(feeds);
      };
      for (let i = 0; i < 5; i++) await cycle();
      const [atFirst, memory] = [threads(), process.memoryUsage().rss];
      for (let i = 0; i < 20; i++) await cycle();
      say([threads() - atFirst, process.memoryUsage().rss - memory]);`;
    const [threads, memory] = run(text, env) as [number, number];
    expect(threads).to.be.at.most(0);
    expect(memory).to.be.below(8e6);
  });

  it('refuses a bad model as bad input, and goes on', function () {
    const env = needsSwiftshader(this);
    const text = `
      const error = await openSession(Uint8Array.of(1, 2, 3), 'webgpu').catch((reason) => reason);
      await using session = await openSession(probeModel(), 'webgpu');
      say([error.name, (await session.run(feeds)).get('y').data[0]]);`;
    expect(run(text, env)).to.deep.equal(['InputError', 22]);
  });
});
