import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import { Classifier, Overloaded, type Prediction } from '../../../lib/classify/classifier.ts';
import type { ClassifierOptions } from '../../../lib/classify/options.ts';
import { fixture } from '../../support/data-fixtures.ts';
import { skipBecause } from '../../support/skip.ts';

const folder = `${fixture('folders')}/val`;
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(png|jpg)$/.test(name))
  .map((name) => `${folder}/${name}`);
const [file] = files;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const open = (options: ClassifierOptions = {}) =>
  Classifier.open({ network: 'cifar-alexnet', device: 'cpu', threads: 1, ...options });
const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => expect.fail('it went well'),
    (reason) => reason,
  );
/** A picture that never comes. */
const never = () => new Readable({ read() {} });

/** How many pictures each run has while something is done, and which session ran it. */
async function runsDuring(work: () => Promise<unknown>) {
  const { postMessage } = Worker.prototype;
  const runs: { readonly worker: Worker; readonly pictures: number }[] = [];
  Worker.prototype.postMessage = function (call, ...more) {
    if (call.what === 'run') runs.push({ worker: this, pictures: call.pieces.length });
    postMessage.call(this, call, ...more);
  };
  await work().finally(() => {
    Worker.prototype.postMessage = postMessage;
  });
  return runs;
}

describe('lib/classify/classifier', function () {
  this.timeout(20_000);

  it('calls that come one by one share runs, and each has its own prediction', async () => {
    await using net = await open({ maxBatch: 8 });
    const wanted: Prediction[] = [];
    for (const one of files) wanted.push(...(await net.classify(one)));
    let found: Prediction[][] = [];
    const many = Array.from({ length: 8 }, () => files).flat();
    const runs = await runsDuring(async () => {
      found = await Promise.all(many.map((one) => net.classify(one)));
    });
    const classes = (predictions: readonly Prediction[]) =>
      predictions.map(({ image, guesses }) => [image, guesses![0].class, guesses![0].probability.toFixed(4)]);
    expect(classes(found.flat())).to.deep.equal(classes(many.map((_, i) => wanted[i % files.length])));
    const sizes = runs.map(({ pictures }) => pictures);
    expect(Math.max(...sizes)).to.be.within(2, 8);
    expect(sizes.reduce((sum, size) => sum + size)).to.equal(many.length);
  });

  it('maxDelayMs: a device that is free waits so long for more', async () => {
    await using net = await open({ maxBatch: 2, maxDelayMs: 400 });
    await net.warmUp();
    let first = 0;
    const runs = await runsDuring(async () => {
      const started = performance.now();
      await Promise.all([net.classify(file), pause(100).then(() => net.classify(file))]);
      first = performance.now() - started;
      await net.classify(file);
      expect(performance.now() - started - first).to.be.above(390);
    });
    expect(runs.map(({ pictures }) => pictures)).to.deep.equal([2, 1]);
    expect(first).to.be.within(100, 400);
  });

  it('several devices share one queue, and give what one gives', async () => {
    await using one = await open({ maxBatch: 2 });
    await using two = await open({ maxBatch: 2, device: ['cpu', 'cpu'] });
    expect(two.devices.map(({ device }) => device)).to.deep.equal(['cpu', 'cpu']);
    const many = [...files, ...files];
    let found: Prediction[] = [];
    const runs = await runsDuring(async () => {
      found = await two.classify(many);
    });
    expect(found).to.deep.equal(await one.classify(many));
    expect(new Set(runs.map(({ worker }) => worker)).size).to.equal(2);
  });

  it('of several devices none stays open where another one does not open', async () => {
    const { postMessage } = Worker.prototype;
    const opened: Worker[] = [];
    Worker.prototype.postMessage = function (call, ...more) {
      const given =
        call.what === 'open' && opened.push(this) === 2 ? { ...call, model: Uint8Array.of(1) } : call;
      postMessage.call(this, given, ...more);
    };
    const reason = await failure(open({ device: ['cpu', 'cpu'] })).finally(() => {
      Worker.prototype.postMessage = postMessage;
    });
    expect(String(reason)).to.match(/^InputError: the model: onnxruntime cannot run it: [^\n]*$/);
    // a thread that has ended has no number
    expect(opened.map(({ threadId }) => threadId)).to.deep.equal([-1, -1]);
  });

  it('a signal ends a call at once, with its reason; the next one goes on', async () => {
    await using net = await open({ timeoutMs: 1000 });
    const control = new AbortController();
    const call = failure(net.classify([file, never()], { signal: control.signal }));
    setTimeout(() => control.abort(new Error('enough')), 50);
    const started = performance.now();
    expect(await call).to.have.property('message', 'enough');
    expect(performance.now() - started).to.be.below(700);
    expect(await failure(net.classify(file, { signal: AbortSignal.abort() }))).to.have.property(
      'name',
      'AbortError',
    );
    const seen: Prediction[] = [];
    const endless = async () => {
      for await (const one of net.stream(Array(1000).fill(file), { signal: AbortSignal.timeout(150) }))
        seen.push(one);
    };
    expect(await failure(endless())).to.have.property('name', 'TimeoutError');
    expect(await net.classify(file)).to.have.length(1);
  });

  it('what is finished does not wait for a source that is slow', async () => {
    await using net = await open();
    let release = (): void => {};
    let ended = false;
    async function* camera() {
      try {
        yield file;
        yield files[1];
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        yield files[2];
      } finally {
        ended = true;
      }
    }
    const seen: string[] = [];
    for await (const { image } of net.stream(camera())) if (seen.push(image) === 2) release();
    expect([seen, ended]).to.deep.equal([files.slice(0, 3), true]);
    for await (const _ of net.stream(camera())) if (seen.push('') === 5) break;
    expect(seen).to.have.length(5);
  });

  it('maxCalls: beyond, a call is refused at once, and later it is not', async () => {
    await using net = await open({ maxCalls: 2 });
    const calls = [1, 2, 3].map(() => net.classify(file));
    const refused = await failure(calls[2]);
    expect(refused).to.be.instanceOf(Overloaded);
    expect(String(refused)).to.equal(
      'Overloaded: Classifier.classify: 2 calls are under way already (maxCalls): try again later',
    );
    await Promise.all(calls.slice(0, 2));
    expect(await net.classify(file)).to.have.length(1);
  });

  it('close finishes the calls that are under way, and takes no more', async () => {
    const net = await open({ maxBatch: 1 });
    const calls = [net.classify(files), net.classify(file)];
    const stream = net.stream(Array(1000).fill(file));
    await stream.next();
    await net.close();
    expect((await Promise.all(calls)).map(({ length }) => length)).to.deep.equal([files.length, 1]);
    let more = 0;
    const rest = async () => {
      for await (const { guesses } of stream) if (guesses) more++;
    };
    expect(await failure(rest())).to.have.property('message', 'Classifier.stream: it is closed');
    expect(more).to.be.within(1, 9);
    const late = [() => net.classify(file), async () => net.stream(file), () => net.warmUp()];
    for (const call of late)
      expect(await failure(call()))
        .to.have.property('message')
        .that.matches(/: it is closed$/);
    await net.close();
  });

  it('warmUp: every decoder is started, every device has seen one picture and a whole batch', async () => {
    let threads = 0;
    const count = () => void threads++;
    process.on('worker', count);
    await using net = await open({ threads: 3, maxBatch: 5, device: ['cpu', 'cpu'], views: 10 });
    const runs = await runsDuring(() => net.warmUp());
    process.off('worker', count);
    expect(threads).to.equal(3 + 2);
    expect(runs.map(({ pictures }) => pictures).sort()).to.deep.equal([1, 1, 5, 5]);
  });

  it('cpuThreads: so many compute', async function () {
    if (!existsSync('/proc/self/task')) skipBecause(this, 'the threads of a process are counted on Linux');
    const threadsWith = async (cpuThreads: number) => {
      await using net = await open({ cpuThreads });
      await net.classify(file);
      return readdirSync('/proc/self/task').length;
    };
    const before = await threadsWith(1);
    expect((await threadsWith(6)) - before).to.equal(5);
  });

  it('threads that decode and compute give way to the one that asks', async function () {
    if (process.platform !== 'linux') skipBecause(this, 'threads have no priorities of their own');
    await using net = await open({ cpuThreads: 2 });
    await net.classify(file);
    // proc(5): the 19th field, after the name in parentheses
    const nice = readdirSync('/proc/self/task').map((thread) => {
      const fields = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
      return [Number(thread), Number(fields[16])];
    });
    const [, own] = nice.find(([thread]) => thread === process.pid)!;
    expect(own).to.equal(getPriority());
    // the decoder, the session, and the second thread of onnxruntime
    expect(nice.filter(([, value]) => value === Math.min(19, own + 5))).to.have.length.at.least(3);
  });

  it('bytes within a larger memory are sent alone', async () => {
    await using net = await open();
    await net.warmUp();
    const large = new Uint8Array(200e6);
    const picture = readFileSync(file);
    large.set(picture, 1000);
    const view = large.subarray(1000, 1000 + picture.length);
    const { postMessage } = Worker.prototype;
    let sent = 0;
    Worker.prototype.postMessage = function (call, ...more) {
      for (const { bytes } of Array.isArray(call) ? call : []) sent = bytes.buffer.byteLength;
      postMessage.call(this, call, ...more);
    };
    const [{ guesses }] = await net.classify(view).finally(() => {
      Worker.prototype.postMessage = postMessage;
    });
    expect([sent, guesses!.length]).to.deep.equal([picture.length, 5]);
  });
});
