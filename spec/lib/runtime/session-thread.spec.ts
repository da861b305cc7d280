import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { joined } from '../../../export/index.ts';
import { judgedOutput } from '../../../lib/bounds/operations.ts';
import { InputError } from '../../../lib/errors.ts';
import { modelOf } from '../../../lib/networks/modelfile.ts';
import { openSession } from '../../../lib/runtime/session.ts';
import { openInThread } from '../../../lib/runtime/session-thread.ts';
import { asTensor } from '../../../lib/runtime/values.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { flatten, linear } from '../../../reference/networks/layers.ts';
import { dense, reshape } from '../../../reference/tensor.ts';
import { runModule } from '../../support/child.ts';
import { contextOn } from '../../support/hand.ts';
import { networkOf, random, randomWeights } from '../../support/models.ts';
import { needsSwiftshader } from '../../support/swiftshader.ts';

const network = networkNamed('cifar-relu');
const model = joined(modelOf(network, randomWeights(network, 1), { source: 'seed 1' }).chunks());
const cpu = { device: 'cpu' } as const;
const images = (count: number) => random([count, 3, 32, 32], 2, 1);
const pieceOf = (count: number) => Float32Array.from(dense(images(count)));

describe('lib/runtime/session-thread', () => {
  it('computes what a session in this thread does, of pieces that it takes over', async () => {
    const thread = await openInThread(cpu, () => model);
    const x = pieceOf(3);
    const pieces = [x.slice(0, 3072), x.slice(3072)];
    const { values, milliseconds } = await thread.run(pieces, [3, 3, 32, 32]);
    await thread.close();
    await using session = await openSession(model, 'cpu');
    const results = await session.run(new Map([[session.inputs[0].name, images(3)]]));
    expect([...values]).to.deep.equal([...dense(asTensor(results.values().next().value!, 'y'))]);
    expect(milliseconds).to.be.above(0);
    expect(pieces.map(({ length }) => length)).to.deep.equal([0, 0]);
  });

  it('large weights are read from a file, which is gone when they are', async () => {
    const large = networkOf([1, 20, 20], flatten('flat'), linear('fc', 700));
    const weights = randomWeights(large, 3);
    const bytes = joined(modelOf(large, weights, { source: 'seed 3' }).chunks());
    const { postMessage } = Worker.prototype;
    let opened: unknown;
    Worker.prototype.postMessage = function (call, ...more) {
      if (call.what === 'open') opened = call.model;
      postMessage.call(this, call, ...more);
    };
    const thread = await openInThread(cpu, () => bytes).finally(() => {
      Worker.prototype.postMessage = postMessage;
    });
    expect([typeof opened, existsSync(dirname(String(opened)))]).to.deep.equal(['string', false]);
    const x = random([2, 1, 20, 20], 4, 1);
    const { values } = await thread.run([Float32Array.from(dense(x))], [2, 1, 20, 20]);
    await thread.close();
    const call = { layer: large.layers[1], inputs: [reshape(x, [2, 400])], weights };
    const { exact, bounds } = judgedOutput(call, contextOn('cpu'));
    for (const [i, y] of dense(exact).entries()) expect(values[i]).to.be.closeTo(y, bounds.bound[i]);
  });

  it('leaves the thread that asks free while it computes, and is closed after what is under way', async () => {
    const thread = await openInThread(cpu, () => model);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const first = thread
      .run([pieceOf(256)], [256, 3, 32, 32])
      .then(({ milliseconds }) => ({ milliseconds, ticks }));
    const second = thread.run([pieceOf(1)], [1, 3, 32, 32]);
    await thread.close();
    clearInterval(timer);
    const during = await first;
    expect(during.milliseconds).to.be.above(10);
    expect(during.ticks).to.be.above(2);
    expect((await second).values).to.have.length(10);
    const late = await thread.run([pieceOf(1)], [1, 3, 32, 32]).catch((error) => error.message);
    expect(late).to.equal('the thread in which onnxruntime runs has ended: it is closed');
  });

  it('says in one line, with the names of the file, what onnxruntime refuses', async () => {
    const broken = await openInThread(cpu, () => Uint8Array.of(1, 2, 3)).catch((error) => error);
    expect(broken).to.be.instanceOf(InputError);
    const thread = await openInThread(cpu, () => model);
    const wrong = await thread.run([new Float32Array(3 * 31 * 31)], [1, 3, 31, 31]).catch((error) => error);
    await thread.close();
    expect(wrong).to.be.instanceOf(InputError);
    expect(wrong.message)
      .to.match(/^the model: onnxruntime cannot run it: .*input/)
      .and.not.include('\n');
  });

  const source = `
    import { probeModel, PROBE_SHAPE, PROBE_X } from '@/lib/runtime/probe-model.ts';
    import { openSession } from '@/lib/runtime/session.ts';
    import { openInThread } from '@/lib/runtime/session-thread.ts';
    import { tensor } from '@/reference/tensor.ts';`;

  it('a process that exits in the middle of a run waits for it: onnxruntime would abort', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'alexnet-spec-')), 'm.onnx');
    writeFileSync(file, model);
    const { status, signal } = runModule(
      `${source}
      import { readFileSync } from 'node:fs';
      const thread = await openInThread({ device: 'cpu' }, () => readFileSync(process.argv[2]));
      for (let i = 0; i < 2; i++) thread.run([new Float32Array(512 * 3072)], [512, 3, 32, 32]);
      setTimeout(() => process.exit(7), 30);`,
      { args: [file] },
    );
    rmSync(dirname(file), { recursive: true });
    expect([status, signal]).to.deep.equal([7, null]);
  });

  it('WebGPU in two threads and in this one: they take turns', function () {
    const env = needsSwiftshader(this);
    const { status, stdout, stderr } = runModule(
      `${source}
      const start = () => openInThread({ device: 'webgpu' }, probeModel);
      const threads = await Promise.all([start(), start()]);
      const session = await openSession(probeModel(), 'webgpu');
      const x = () => Float32Array.from(PROBE_X);
      const runs = [];
      for (let i = 0; i < 20; i++) {
        for (const thread of threads) runs.push(thread.run([x()], PROBE_SHAPE));
        runs.push(session.run(new Map([['x', tensor(x(), PROBE_SHAPE)]])));
      }
      console.log((await Promise.all(runs)).length);
      await Promise.all([...threads.map((thread) => thread.close()), session.release()]);`,
      { env },
    );
    expect([status, stdout], stderr).to.deep.equal([0, '60\n']);
  });
});
