import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import type { Picture } from '../../../lib/data/dataset.ts';
import { chooseSplit, openDataset } from '../../../lib/data/open.ts';
import { openPool, type Pool, type Recipe } from '../../../lib/data/pool.ts';
import { EnvironmentError } from '../../../lib/errors.ts';
import { inOrder } from '../../../lib/runtime/threads.ts';
import { cifar, krizhevsky, mirror, preprocess } from '../../../reference/input/preprocess.ts';
import { dense, tensor } from '../../../reference/tensor.ts';
import { expected, fixture } from '../../support/data-fixtures.ts';

const spec = { ...krizhevsky(24), resize: { mode: 'shorter', size: 32 } } as const;
const named = (name: string): Picture => ({
  name,
  planes: new Uint8Array(1),
  channels: 1,
  width: 1,
  height: 1,
});

/** A thread that answers each picture with its name, and ends with exit code 7 at one that is called 'bomb'. */
const fragile = (): Worker =>
  new Worker(
    `const { parentPort } = require('node:worker_threads');
     parentPort.on('message', (pictures) => {
       if (pictures.some(({ name }) => name === 'bomb')) throw new Error('out of memory');
       parentPort.postMessage({ result: pictures.map(({ name }) => ({ error: name })) });
     });
     parentPort.postMessage('ready');`,
    { eval: true, execArgv: [], stderr: true },
  );

const failures = async (pool: Pool, names: readonly string[]): Promise<string[]> =>
  (await Promise.all(names.map((name) => pool.prepare([named(name)])))).flatMap((results) =>
    results.map((result) => ('error' in result ? result.error : 'data')),
  );

describe('lib/data/pool', () => {
  it('gives what preprocess gives in this thread, in order, and an error in the place of a bad picture', async () => {
    const data = await openDataset(fixture('folders'));
    const split = chooseSplit(data, 'val');
    const pictures: Picture[] = Array.from({ length: split.count }, (_, i) => split.picture(i));
    pictures[3] = { name: 'gone.png', file: fixture('gone.png') };
    await using pool = openPool({ form: 'input', preprocess: spec, views: 2 }, { threads: 2 });
    let i = 0;
    for await (const results of inOrder([pictures.slice(0, 5), pictures.slice(5)], 2, pool.prepare)) {
      for (const result of results) {
        if (i === 3) {
          expect('error' in result && result.error).to.match(/^gone\.png: .*no such file/);
        } else if ('data' in result) {
          const { image } = await split.get(i);
          expect(result.shape).to.deep.equal([2, 3, 24, 24]);
          expect(result.data).to.deep.equal(dense(preprocess(image, spec, { views: 2 })));
        } else expect.fail(result.error);
        i++;
      }
    }
    expect(i).to.equal(split.count);
  });

  it('of no threads does it here, the same', async () => {
    const split = chooseSplit(await openDataset(fixture('folders')), 'val');
    const pictures = [split.picture(0), { name: 'gone.png', file: fixture('gone.png') }];
    let workers = 0;
    const count = () => void workers++;
    process.on('worker', count);
    const recipe = { form: 'square', preprocess: spec } as const;
    await using here = openPool(recipe, { threads: 0 });
    const found = await here.prepare(pictures);
    expect(workers).to.equal(0);
    await using threads = openPool(recipe, { threads: 1 });
    expect(found).to.deep.equal(await threads.prepare(pictures));
    process.off('worker', count);
    expect(workers).to.equal(1);
  });

  it('two views are the centre and its mirror image', async () => {
    const { image } = await (await openDataset(fixture('cifar'))).splits.get('test')!.get(1);
    // 2 columns are cut from either side: the mirror image of the crop is the crop of the mirror image
    const spec28 = { ...cifar, meanImage: 'none', crop: { size: 28, offset: 'floor' } } as const;
    const both = preprocess(image, spec28, { views: 2 });
    const each = [image, mirror(image)].flatMap((one) => [...dense(preprocess(one, spec28))]);
    expect(both.shape).to.deep.equal([2, 3, 28, 28]);
    expect([...dense(both)]).to.deep.equal(each);
  });

  it('takes a mean image along, and keeps squares as bytes for training', async () => {
    const split = (await openDataset(fixture('cifar'))).splits.get('train')!;
    const mean = tensor(
      new Float32Array(3072).map((_, i) => i / 16),
      [3, 32, 32],
    );
    const pictures = [split.picture(0), split.picture(14)];
    const open = (recipe: Recipe) => openPool(recipe, { threads: 1 });
    await using inputs = open({ form: 'input', preprocess: cifar, meanImage: mean });
    await using squares = open({ form: 'square', preprocess: cifar });
    const [first] = await inputs.prepare(pictures);
    const { image } = await split.get(0);
    expect('data' in first && first.data).to.deep.equal(dense(preprocess(image, cifar, { meanImage: mean })));
    const [, last] = await squares.prepare(pictures);
    if (!('data' in last)) expect.fail(last.error);
    expect(last.shape).to.deep.equal([3, 32, 32]);
    const pixels = expected('cifar.train').subarray(14 * 3072);
    for (let i = 0; i < 1024; i++) {
      for (let c = 0; c < 3; c++) expect(last.data[1024 * c + i]).to.equal(pixels[3 * i + c]);
    }
  });

  it('outlives a thread that ends: its picture is an error, all others are done', async () => {
    await using pool = openPool({ form: 'square', preprocess: cifar }, { threads: 2 }, fragile);
    const names = Array.from({ length: 12 }, (_, i) => (i === 4 ? 'bomb' : `p${i}`));
    const wanted = names.map((name) =>
      name === 'bomb' ? 'bomb: decoding it ended its thread (out of memory)' : name,
    );
    expect(await failures(pool, names)).to.deep.equal(wanted);
    expect(await failures(pool, ['bomb', 'bomb', 'after'])).to.deep.equal([wanted[4], wanted[4], 'after']);
  });

  it('rejects, and does not hang, where no thread starts', async () => {
    const broken = () => new Worker('throw new Error("no such module")', { eval: true, execArgv: [] });
    await using pool = openPool({ form: 'square', preprocess: cifar }, { threads: 2 }, broken);
    for (let i = 0; i < 2; i++) {
      const error = await failures(pool, ['a', 'b', 'c']).catch((reason) => reason);
      expect(error).to.be.instanceOf(EnvironmentError);
      expect(error.message).to.equal('threads to decode in do not start: no such module');
    }
  });

  it('rejects what is under way when it is closed', async () => {
    const pool = openPool({ form: 'square', preprocess: cifar }, { threads: 1 }, fragile);
    const under = failures(pool, ['a', 'b']).catch((error) => error.message);
    await pool.close();
    expect(await under).to.equal('threads: they are closed');
    expect(await failures(pool, ['c']).catch((error) => error.message)).to.equal('threads: they are closed');
  });

  it('reads only a few groups ahead of who takes them', async () => {
    await using pool = openPool({ form: 'square', preprocess: cifar }, { threads: 2 }, fragile);
    let asked = 0;
    function* groups() {
      for (; asked < 20; ) yield [named(`p${asked++}`)];
    }
    let taken = 0;
    for await (const [result] of inOrder(groups(), 3, pool.prepare)) {
      expect('error' in result && result.error).to.equal(`p${taken++}`);
      expect(asked - taken).to.be.at.most(3);
      if (taken === 15) break;
    }
  });
});
