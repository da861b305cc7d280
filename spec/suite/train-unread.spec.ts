/** Pictures that cannot be read: a run goes on without them, and is the same run each time. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { openDataset } from '../../lib/data/open.ts';
import { encodeJpeg } from '../../lib/image/encode.ts';
import { readCheckpoint } from '../../lib/train/checkpoint.ts';
import { validate } from '../../lib/train/device.ts';
import { orderOf, partsOf } from '../../lib/train/images.ts';
import { type TrainOptions, train } from '../../lib/train/index.ts';
import { sized } from '../../lib/train/network.ts';
import { openUnread } from '../../lib/train/unread.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { words } from '../../reference/random.ts';
import { initialise } from '../../reference/training/init.ts';
import { refusal } from '../support/data-fixtures.ts';
import { temporary } from '../support/training-data.ts';

const SIDE = 32;
const CUT = 'truncated JPEG (a segment is cut off)';

/** Noise around a colour of the class; made once, as jpeg-js takes 0.05 s for it. */
function picture(label: number, n: number): Uint8Array {
  return (made[n] ??= jpeg(label, n));
}
const made: Uint8Array[] = [];

function jpeg(label: number, n: number): Uint8Array {
  const noise = words(n, 1 + label, 3 * SIDE * SIDE);
  const data = Uint8Array.from(noise, (word, i) => (word % 90) + (i % 3 === label ? 120 : 30));
  return encodeJpeg({ width: SIDE, height: SIDE, data });
}

describe('training with pictures that cannot be read', function () {
  this.timeout(120_000);
  const folder = temporary();

  const fileAt = (root: string, index: number): string =>
    join(root, index < 5 ? 'ape' : 'bee', `${index}.jpg`);
  const damage = (file: string): void => writeFileSync(file, readFileSync(file).subarray(0, 100));

  /** Nine pictures, of which none are held out: 0 to 4 are apes, 5 to 8 bees. */
  function pictures(name: string, bad: readonly number[] = []): string {
    const root = join(folder, name);
    for (let i = 0; i < 9; i++) {
      mkdirSync(join(root, i < 5 ? 'ape' : 'bee'), { recursive: true });
      writeFileSync(fileAt(root, i), picture(i < 5 ? 0 : 1, i));
    }
    for (const i of bad) damage(fileAt(root, i));
    return root;
  }

  const crops = { offsets: 'all', mirror: true, chunk: 1, lighting: 'none', pad: 0 } as const;
  const options = {
    ...{ network: 'cifar-alexnet', width: 0.05, epochs: 2, batch: 2, seed: 3, device: 'cpu' },
    ...{ learningRate: 0.01, augment: crops, scale: false, threads: 1 },
  } as const satisfies Partial<TrainOptions>;

  /** Parameters and momenta, the steps' losses; and which pictures were skipped. */
  function bitsOf(out: string): string[] {
    const { state, progress } = readCheckpoint(join(out, 'checkpoint.safetensors'));
    const bytes = [...state.weights.values(), ...state.momenta.values()].map(({ data }) =>
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    );
    return [...bytes, readFileSync(join(out, 'log.jsonl'), 'utf8'), JSON.stringify(progress.unread)];
  }

  it('are listed and skipped, to the same bits in any number of threads, stopped and resumed', async () => {
    const bad = [3, 5];
    const data = pictures('some', bad);
    const lines: string[] = [];
    const out = join(folder, 'whole');
    const { unread } = await train({ ...options, threads: 2, data, out, log: (line) => lines.push(line) });
    const listed = bad.map((i) => `${fileAt(data, i)}: ${CUT}`);
    expect(lines.filter((line) => line.startsWith('skipped: ')).sort()).to.deep.equal(
      listed.map((line) => `skipped: ${line}`),
    );
    expect(unread).to.deep.equal(bad.map((index, n) => ({ part: 'training', index, error: listed[n] })));
    const abort = new AbortController();
    const parts = { ...options, data, out: join(folder, 'parts') };
    const first = await train({ ...parts, epoch: () => abort.abort(), signal: abort.signal });
    expect([first.stopped, first.epochs]).to.deep.equal([true, 1]);
    // one of them can be read again: it stays out of this run
    writeFileSync(fileAt(data, 3), picture(0, 3));
    await train({ ...parts, resume: true });
    expect(bitsOf(parts.out)).to.deep.equal(bitsOf(out));
  });

  it('the next picture of the order takes the place: as if it lay there, too', async () => {
    const data = pictures('copied');
    const order = orderOf(options.seed, 'train.order', 0, 9);
    // of four steps of two; its class is that of its folder, so the next one is of the same
    const place = order.findIndex((i, n) => n < 7 && i < 5 && order[n + 1] < 5);
    copyFileSync(fileAt(data, order[place + 1]), fileAt(data, order[place]));
    const how = { ...options, epochs: 1, data };
    await train({ ...how, out: join(folder, 'copy') });
    damage(fileAt(data, order[place]));
    const { unread } = await train({ ...how, out: join(folder, 'bad') });
    expect(unread.map(({ index }) => index)).to.deep.equal([order[place]]);
    expect(bitsOf(join(folder, 'bad')).slice(0, -1)).to.deep.equal(bitsOf(join(folder, 'copy')).slice(0, -1));
  });

  it('what is validated is what can be read then, as if the others were not there', async () => {
    const network = sized(networkNamed('cifar-alexnet'), 0.05, 2);
    const weights = initialise(network, 1, 'kaiming');
    const data = pictures('validated');
    const opened = async () => {
      const dataset = await openDataset(data);
      const split = dataset.splits.get('all')!;
      return { split, unread: openUnread(dataset, { train: split, validation: split }) };
    };
    const of = async (part: Awaited<ReturnType<typeof opened>>) =>
      (await validate(network, weights, part, { device: 'cpu' }, 0))!;
    const part = await opened();
    const all = await of(part);
    expect(part.unread.all).to.deep.equal([]);
    damage(fileAt(data, 2));
    const found = [await of(part), await of(part)];
    expect(part.unread.all.map(({ part: of, index }) => [of, index])).to.deep.equal([['validation', 2]]);
    rmSync(fileAt(data, 2));
    const without = await of(await opened());
    expect(found).to.deep.equal([without, without]);
    expect(all.loss).not.to.equal(without.loss);
  });

  it('the first ends a strict run; a class with none left ends a run, and so does nothing to validate', async () => {
    const data = pictures('strict', [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const dataset = await openDataset(data);
    const parts = partsOf(
      { ...dataset, splits: new Map([...dataset.splits, ['val', dataset.splits.get('all')!]]) },
      0,
    );
    const lines: string[] = [];
    const unread = openUnread(dataset, parts, { log: (line) => lines.push(line) });
    const add = (part: 'training' | 'validation', index: number) => async () =>
      unread.add({ part, index, error: `p${index}: cut` });
    for (const i of [0, 1, 2, 3, 3, 3]) await add('training', i)();
    expect(await refusal(add('training', 4))).to.equal(
      `${data}: class 'ape' has no picture that can be read (p4: cut)`,
    );
    for (let i = 0; i < 8; i++) await add('validation', i)();
    expect(await refusal(add('validation', 8))).to.equal(
      `${data}: no picture to validate can be read (p8: cut)`,
    );
    const strict = openUnread(dataset, parts, { strict: true });
    expect(await refusal(async () => strict.add({ part: 'training', index: 0, error: 'p0: cut' }))).to.equal(
      'p0: cut',
    );
    expect(lines).to.have.length(11);
    expect(lines.slice(9)).to.deep.equal(['skipped: p4: cut', 'skipped: more, which are counted at the end']);
  });
});
