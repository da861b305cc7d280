import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { readCheckpoint } from '../../lib/train/checkpoint.ts';
import { type TrainOptions, train } from '../../lib/train/index.ts';
import { uniform, words } from '../../reference/random.ts';
import { built } from '../support/child.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

/** Parameters, momenta and what is logged of each step: everything but the times. */
function bitsOf(out: string): Record<string, string> {
  const { state, progress } = readCheckpoint(join(out, 'checkpoint.safetensors'));
  const hex = (data: ArrayBufferView) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
  const { history, epochSeconds: _, ...position } = progress;
  return Object.fromEntries([
    ...[...state.weights].map(([name, { data }]) => [name, hex(data)]),
    ...[...state.momenta].map(([name, { data }]) => [`momentum of ${name}`, hex(data)]),
    ['position', JSON.stringify(position)],
    ['history', JSON.stringify(history.map(({ seconds: __, ...record }) => record))],
    ['log', readFileSync(join(out, 'log.jsonl'), 'utf8')],
    ['best', readFileSync(join(out, 'best.safetensors')).toString('base64')],
    ['weights', readFileSync(join(out, 'weights.safetensors')).toString('base64')],
  ]);
}

/** Where two runs differ. */
const differences = (a: Record<string, string>, b: Record<string, string>): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((name) => a[name] !== b[name]);

/** Half of them in the middle of a write. ALEXNET_KILLS=20 kills more often. */
const KILLS = Number(process.env.ALEXNET_KILLS ?? 2);

describe('a run that is interrupted', function () {
  this.timeout(300_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), 10 * KILLS, 10);
  const options: TrainOptions = {
    data,
    network: 'cifar-alexnet',
    width: 0.05,
    epochs: 2,
    batch: 2,
    learningRate: 0.01,
    augment: 'cifar',
    schedule: 'plateau',
    seed: 11,
    device: 'cpu',
    threads: 1,
    checkpointEvery: 1,
  };
  const args = [
    [
      '--network',
      'cifar-alexnet',
      '--width',
      '0.05',
      '--epochs',
      '2',
      '--batch',
      '2',
      '--learning-rate',
      '0.01',
    ],
    ['--augment', 'cifar', '--schedule', 'plateau', '--seed', '11', '--device', 'cpu', '--threads', '2'],
    ['--checkpoint-every', '1', '--resume'],
  ].flat();
  const main = built();
  let whole: Record<string, string>;

  before(async () => {
    const out = join(folder, 'whole');
    await train({ ...options, threads: 2, out });
    whole = bitsOf(out);
  });

  it('is the same bits twice over, however its steps are grouped', async () => {
    const out = join(folder, 'again');
    await train({ ...options, checkpointEvery: 100, out });
    const again = bitsOf(out);
    expect(differences(whole, again)).to.deep.equal([]);
    const other = join(folder, 'other');
    await train({ ...options, epochs: 1, seed: 12, out: other });
    expect(differences(whole, bitsOf(other)).length).to.be.above(30);
    const firstLine = ({ log }: Record<string, string>) => log.slice(0, log.indexOf('\n'));
    expect(firstLine(bitsOf(other)))
      .to.match(/"step":1,/)
      .and.not.equal(firstLine(whole));
  });

  it('goes on bit for bit after it was stopped in the middle of an epoch', async () => {
    const out = join(folder, 'stopped');
    const abort = new AbortController();
    let calls = 0;
    const stop = () => {
      if (++calls === 8) abort.abort();
    };
    const first = await train({ ...options, out, progress: stop, signal: abort.signal });
    expect(first.stopped).to.equal(true);
    // a checkpoint every step: each is a call of its own, and none begins after the word
    expect([first.epochs, first.steps]).to.deep.equal([0, 8]);
    const notes: string[] = [];
    const rest = await train({ ...options, out, resume: true, log: (line) => notes.push(line) });
    expect(notes[0]).to.match(/^goes on from .*: 0 epochs and 8 steps are done$/);
    expect(rest.stopped).to.equal(false);
    expect(differences(whole, bitsOf(out))).to.deep.equal([]);
  });

  it('killed again and again, in the middle of writes too, it ends bit for bit where the whole one ended', async () => {
    const out = join(folder, 'killed');
    const random = words(2026, 77, KILLS);
    let [kills, inWrite, reached] = [0, 0, 0];
    while (kills < KILLS) {
      const inTheMiddle = kills % 2 === 1;
      const child = start();
      const ended = over(child);
      await within(child, ended, out, reached);
      if (inTheMiddle) await writing(out);
      else await new Promise((done) => setTimeout(done, 40 * uniform(random[kills])));
      child.kill('SIGKILL');
      // a machine that is faster than this spec gets to the end before all kills are spent
      if ((await ended).code === 0) break;
      kills++;
      if (readdirSync(out).some(isTemporary)) inWrite++;
      const { progress } = readCheckpoint(join(out, 'checkpoint.safetensors'));
      expect(progress.steps, 'nothing is lost').to.be.at.least(reached);
      reached = progress.steps;
    }
    console.log(`      ${inWrite} of ${kills} kills left a half-written checkpoint behind`);
    expect(kills).to.be.at.least(KILLS / 2);
    const last = start();
    expect((await over(last)).code).to.equal(0);
    expect(differences(whole, bitsOf(out))).to.deep.equal([]);
    expect(readdirSync(out).filter((name) => name.startsWith('.'))).to.deep.equal([]);

    function start(): ChildProcess {
      return spawn(process.execPath, [main, 'train', data, ...args, '--out', out], { stdio: 'ignore' });
    }
  });
});

const isTemporary = (name: string): boolean => /^\.alexnet-.*\.tmp$/.test(name);

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const over = (child: ChildProcess): Promise<End> =>
  new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));

/** Until it has written a checkpoint of its own. */
async function within(child: ChildProcess, ended: Promise<End>, out: string, reached: number): Promise<void> {
  const path = join(out, 'checkpoint.safetensors');
  let gone = false;
  void ended.then(() => {
    gone = true;
  });
  let seen = statSync(path, { throwIfNoEntry: false })?.ino;
  while (!gone && child.exitCode === null) {
    const now = statSync(path, { throwIfNoEntry: false })?.ino;
    if (now !== seen && readCheckpoint(path).progress.steps > reached) return;
    seen = now;
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** Until a checkpoint is being written. */
function writing(out: string): Promise<void> {
  return new Promise((resolve) => {
    const limit = setTimeout(done, 2000);
    const watcher = watch(out, (_, name) => {
      if (name && isTemporary(name) && statSync(join(out, name), { throwIfNoEntry: false })) done();
    });
    function done(): void {
      clearTimeout(limit);
      watcher.close();
      resolve();
    }
  });
}
