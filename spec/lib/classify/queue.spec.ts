import { expect } from 'chai';
import { openGate, openQueue, type QueueOptions } from '../../../lib/classify/queue.ts';

const tick = () => new Promise(setImmediate);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A device that computes when it is told to; two probabilities an input: itself and a half more. */
function device() {
  const runs: { readonly inputs: number[]; done(): void; fail(error: Error): void }[] = [];
  const probabilities = (inputs: readonly Float32Array<ArrayBuffer>[]): Promise<Float32Array> =>
    new Promise((resolve, reject) => {
      const done = () => resolve(Float32Array.from(inputs.flatMap(([x]) => [x, x + 0.5])));
      runs.push({ inputs: inputs.map(([x]) => x), done, fail: reject });
    });
  return { runs, probabilities };
}

function queueOf(options: QueueOptions, count = 1) {
  const devices = Array.from({ length: count }, device);
  const { compute } = openQueue(devices, options);
  /** A group of these inputs, of which `lost` more could not be read. */
  const ask = async (xs: readonly number[], lost = 0, signal?: AbortSignal) => {
    const inputs = xs.map((x) => Float32Array.of(x));
    return [...(await compute(inputs, xs.length + lost, signal))];
  };
  return { ask, devices, runs: devices[0].runs };
}

const inputsOf = (runs: readonly { readonly inputs: number[] }[]) => runs.map(({ inputs }) => inputs);

describe('lib/classify/queue', () => {
  it('what comes while a device computes goes together when it is free; to each its own', async () => {
    const { ask, runs } = queueOf({ maxBatch: 4 });
    const asked = [ask([1]), ask([2]), ask([3, 4])];
    expect(inputsOf(runs)).to.deep.equal([[1]]);
    asked.push(ask([5]), ask([6]));
    // full: it is sent ahead; the rest may grow
    expect(inputsOf(runs)).to.deep.equal([[1], [2, 3, 4, 5]]);
    runs[0].done();
    await asked[0];
    expect(runs).to.have.length(2);
    runs[1].done();
    await asked[1];
    asked.push(ask([7]));
    expect(inputsOf(runs)).to.deep.equal([[1], [2, 3, 4, 5], [6]]);
    runs[2].done();
    await asked[4];
    runs[3].done();
    expect(await Promise.all(asked)).to.deep.equal(
      [[1], [2], [3, 4], [5], [6], [7]].map((xs) => xs.flatMap((x) => [x, x + 0.5])),
    );
  });

  it('a group is never parted, and counts as many as it had: what could not be read changes no batch', async () => {
    const { ask, runs } = queueOf({ maxBatch: 4 });
    void ask([1]);
    void ask([2, 3], 2);
    void ask([4]);
    expect(inputsOf(runs)).to.deep.equal([[1], [2, 3]]);
  });

  it('a free device waits for a full batch, no longer than maxDelayMs', async () => {
    const { ask, runs } = queueOf({ maxBatch: 2, maxDelayMs: 60 });
    void ask([1]);
    await pause(20);
    expect(runs).to.have.length(0);
    void ask([2]);
    expect(inputsOf(runs)).to.deep.equal([[1, 2]]);
    runs[0].done();
    void ask([3]);
    await pause(100);
    expect(inputsOf(runs)).to.deep.equal([[1, 2], [3]]);
  });

  it('several devices share what there is, and one that fails, fails for its own batch alone', async () => {
    const { ask, devices } = queueOf({ maxBatch: 1 }, 2);
    const asked = [1, 2, 3, 4, 5].map((x) => ask([x]).catch((error: Error) => error.message));
    const [a, b] = devices.map(({ runs }) => runs);
    expect([inputsOf(a), inputsOf(b)]).to.deep.equal([
      [[1], [3]],
      [[2], [4]],
    ]);
    b[0].fail(new Error('lost'));
    await asked[1];
    expect(inputsOf(b)).to.deep.equal([[2], [4], [5]]);
    for (const run of [...a, b[1], b[2]]) run.done();
    expect(await Promise.all(asked)).to.deep.equal([[1, 1.5], 'lost', [3, 3.5], [4, 4.5], [5, 5.5]]);
  });

  it('what is called off while it waits is not computed', async () => {
    const { ask, runs } = queueOf({ maxBatch: 1 });
    const control = new AbortController();
    void ask([1]);
    void ask([2]);
    const off = ask([3], 0, control.signal).catch((reason) => reason);
    control.abort('enough');
    void ask([4]);
    runs[0].done();
    runs[1].done();
    expect(await off).to.equal('enough');
    expect(inputsOf(runs)).to.deep.equal([[1], [2], [4]]);
  });

  it('a gate lets in as many as there are places, in the order of coming', async () => {
    const gate = openGate(4);
    const inside: number[] = [];
    const come = (count: number) => gate.enter(count).then(() => inside.push(count));
    for (const count of [3, 2, 1]) void come(count);
    await tick();
    expect(inside).to.deep.equal([3]);
    gate.leave(3);
    await tick();
    expect(inside).to.deep.equal([3, 2, 1]);
    void come(9);
    gate.leave(2);
    await tick();
    expect(inside).to.have.length(3);
    gate.leave(1);
    await tick();
    expect(inside).to.deep.equal([3, 2, 1, 9]);
  });
});
