import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect } from 'chai';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { cudaLibrary } from '../../../lib/runtime/installation.ts';
import { PROBE_SHAPE, PROBE_X, PROBE_Y, probeModel } from '../../../lib/runtime/probe-model.ts';
import { type Device, openSession } from '../../../lib/runtime/session.ts';
import { asTensor, type SessionValue } from '../../../lib/runtime/values.ts';
import { dense, tensor } from '../../../reference/tensor.ts';
import { skipBecause } from '../../support/skip.ts';

const x = () => tensor(Float32Array.from(PROBE_X), PROBE_SHAPE);
const feeds = (value: SessionValue = x()) => new Map([['x', value]]);
const profiles = () => readdirSync(tmpdir()).filter((name) => name.startsWith('alexnet-profile-'));

async function failure(run: () => Promise<unknown>): Promise<Error> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

describe('a session of onnxruntime', () => {
  for (const optimise of [true, false]) {
    it(`runs a model from its bytes on the CPU, optimise: ${optimise}`, async () => {
      await using session = await openSession(probeModel(), 'cpu', { optimise, threads: 1 });
      expect(session.inputs).to.deep.equal([{ name: 'x', type: 'float32', shape: [1, 1, 2, 3] }]);
      expect(session.outputs).to.deep.equal([{ name: 'y', type: 'float32', shape: [1, 2, 2, 1] }]);
      const y = asTensor((await session.run(feeds())).get('y') as SessionValue, 'y');
      expect(y.shape).to.deep.equal([1, 2, 2, 1]);
      expect([...dense(y)]).to.deep.equal(PROBE_Y);
    });
  }

  it('takes a transposed tensor in its own order', async () => {
    await using session = await openSession(probeModel(), 'cpu');
    const columns = tensor(Float32Array.from([1, 4, 2, 5, 3, 6]), [1, 1, 3, 2]).transpose(0, 1, 3, 2);
    const results = await session.run(feeds(columns), ['y']);
    expect([...dense(asTensor(results.get('y') as SessionValue, 'y'))]).to.deep.equal(PROBE_Y);
  });

  it('tells from the profile which provider ran each node, and leaves no file behind', async () => {
    const before = profiles();
    await using session = await openSession(probeModel(), 'cpu', { profile: true, optimise: false });
    await session.run(feeds());
    await session.run(feeds());
    const { nodes } = await session.placement();
    expect(nodes.map(({ name, op, device }) => [name, op, device])).to.deep.equal([
      ['conv', 'Conv', 'CPU'],
      ['norm', 'LRN', 'CPU'],
      ['product', 'MatMul', 'CPU'],
      ['y', 'Relu', 'CPU'],
    ]);
    expect(profiles()).to.deep.equal(before);
  });

  it('leaves no profile behind when it is released early or never opened', async () => {
    const before = profiles();
    await (await openSession(probeModel(), 'cpu', { profile: true })).release();
    await failure(() => openSession(Uint8Array.of(1, 2, 3), 'cpu', { profile: true }));
    expect(profiles()).to.deep.equal(before);
  });

  it('can be released twice but not run afterwards', async () => {
    const session = await openSession(probeModel(), 'cpu');
    await session.release();
    await session.release();
    expect((await failure(() => session.run(feeds()))).message).to.contain('released');
  });

  it('computes in as many threads as it is told', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'only Linux tells');
    const count = () => readdirSync('/proc/self/task').length;
    const started = async (threads: number) => {
      await using session = await openSession(probeModel(), 'cpu', { threads });
      await session.run(feeds());
      const open = count();
      await session.release();
      return open - count();
    };
    // the calling thread is one of them
    expect([await started(1), await started(2), await started(5)]).to.deep.equal([0, 1, 4]);
  });

  it('holds no threads and no memory after it is released', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'only Linux tells');
    const cycle = async () => {
      await using session = await openSession(probeModel(), 'cpu', { threads: 3 });
      await session.run(feeds());
    };
    for (let i = 0; i < 5; i++) await cycle();
    const threads = () => readdirSync('/proc/self/task').length;
    const [atFirst, memory] = [threads(), process.memoryUsage().rss];
    for (let i = 0; i < 30; i++) await cycle();
    // an open session keeps its two worker threads and, for this model, 150 kB
    expect(threads()).to.be.at.most(atFirst);
    expect(process.memoryUsage().rss - memory).to.be.below(16e6);
  });

  describe('in wrong use says in one line what happened', () => {
    const cases: [string, () => Uint8Array, RegExp][] = [
      ['bytes that are no model', () => Uint8Array.of(9, 9, 9), /^the model: not a valid protobuf file: /],
      ['no bytes', () => new Uint8Array(), /^the model is empty/],
      ['a truncated model', () => probeModel().subarray(0, 60), /^the model: not a valid protobuf file: /],
      ['a graph without nodes', () => Uint8Array.of(8, 8), /^the model: onnxruntime cannot use it: /],
    ];
    for (const [what, model, message] of cases) {
      it(`for ${what}`, async () => {
        const error = await failure(() => openSession(model(), 'cpu'));
        expect(error).to.be.instanceOf(InputError);
        expect(error.message).to.match(message);
        expect(error.message).not.to.match(/\n|onnxruntime_src/);
      });
    }

    it('for feeds and outputs that the model does not have, and for a wrong shape or type', async () => {
      await using session = await openSession(probeModel(), 'cpu');
      const wrong: [() => Promise<unknown>, RegExp][] = [
        [() => session.run(new Map()), /its input 'x' is not given/],
        [() => session.run(new Map([['z', x() as SessionValue]])), /no input 'z' \(it has x\)/],
        [() => session.run(feeds(), ['prob']), /no output 'prob' \(it has y\)/],
        [() => session.run(feeds(tensor(new Float32Array(4), [1, 1, 2, 2]))), /invalid dimensions.*x/i],
        [
          () => session.run(feeds({ dtype: 'int64', shape: [1, 1, 2, 3], data: new BigInt64Array(6) })),
          /data type.*int64/i,
        ],
      ];
      for (const [run, message] of wrong) {
        const error = await failure(run);
        expect(error).to.be.instanceOf(InputError);
        expect(error.message).to.match(message);
        expect(error.message).not.to.match(/\n|onnxruntime_src/);
      }
    });

    it('for a device that does not work here', async function () {
      if (process.platform !== 'linux' || cudaLibrary())
        skipBecause(this, 'CUDA is installed, or this is not Linux');
      const error = await failure(() => openSession(probeModel(), 'cuda' satisfies Device));
      expect(error).to.be.instanceOf(EnvironmentError);
      expect(error.message).to.match(/^cuda: onnxruntime's CUDA libraries are not installed/);
    });
  });
});
