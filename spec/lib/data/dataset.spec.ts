import { expect } from 'chai';
import {
  type Dataset,
  decodePicture,
  type Picture,
  splitOf,
  subset,
  thinned,
} from '../../../lib/data/dataset.ts';
import { chooseSplit } from '../../../lib/data/open.ts';
import { openPool, prepare } from '../../../lib/data/pool.ts';
import { EnvironmentError } from '../../../lib/errors.ts';
import { inOrder } from '../../../lib/runtime/threads.ts';
import { networkNamed } from '../../../reference/networks/index.ts';

const grey = (name: string, ...values: number[]): Picture => ({
  ...{ name, planes: Uint8Array.from(values), channels: 1 },
  ...{ height: 1, width: values.length },
});
/** Ten grey pictures of one pixel, whose value and label is their number. */
const ten = splitOf(
  'test',
  Array.from({ length: 10 }, (_, i) => i),
  (i) => grey(`p${i}`, i),
);
const numbers = (split: typeof ten) => Array.from({ length: split.count }, (_, i) => split.label(i));

describe('lib/data/dataset', () => {
  it('a split has its pictures and no others', async () => {
    expect(ten.label(0)).to.equal(0);
    expect(ten.picture(9).name).to.equal('p9');
    for (const i of [-1, 10, 0.5, Number.NaN]) {
      expect(() => ten.label(i)).to.throw(RangeError, `test: there is no picture ${i} (0 to 9)`);
      expect(() => ten.picture(i)).to.throw(RangeError);
    }
    expect(await ten.get(3)).to.deep.equal({
      image: { width: 1, height: 1, data: Uint8Array.of(3, 3, 3) },
      label: 3,
    });
  });

  it('a part of it is numbered anew', () => {
    const part = subset(ten, [7, 2, 2]);
    expect([part.name, part.count]).to.deep.equal(['test', 3]);
    expect(numbers(part)).to.deep.equal([7, 2, 2]);
    expect(part.picture(0).name).to.equal('p7');
    expect(() => part.label(3)).to.throw('0 to 2');
  });

  it('so many, spread evenly, from the first on', () => {
    // ⌊10·i/4⌋
    expect(numbers(thinned(ten, 4))).to.deep.equal([0, 2, 5, 7]);
    expect(numbers(thinned(ten, 9))).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for (const count of [undefined, 10, 11]) expect(thinned(ten, count)).to.equal(ten);
  });

  it('planes become interleaved RGB', async () => {
    const planes = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const colour = { name: 'c', planes, channels: 3, height: 1, width: 2 } as const;
    expect(await decodePicture(colour)).to.deep.equal({
      ...{ width: 2, height: 1, data: Uint8Array.of(1, 3, 5, 2, 4, 6) },
    });
  });

  it('the split that is asked for, else val, test, all, train in this order', () => {
    const of = (...names: (typeof ten.name)[]): Dataset => ({
      ...{ format: 'x', path: 'data', classes: [], close() {} },
      splits: new Map(names.map((name) => [name, { ...ten, name }])),
    });
    expect(chooseSplit(of('train', 'test', 'val')).name).to.equal('val');
    expect(chooseSplit(of('train', 'all', 'test')).name).to.equal('test');
    expect(chooseSplit(of('train', 'all')).name).to.equal('all');
    expect(chooseSplit(of('train')).name).to.equal('train');
    expect(chooseSplit(of('train', 'test'), 'train').name).to.equal('train');
    expect(() => chooseSplit(of('train', 'test'), 'val')).to.throw(
      "data: there is no split 'val', only train, test",
    );
  });
});

describe('a picture made ready', () => {
  const { preprocess } = networkNamed('cifar10-full');

  it('square: planes of the shorter side', async () => {
    const planes = new Uint8Array(3 * 32 * 32).map((_, i) => i % 251);
    const colour = { name: 'c', planes, channels: 3, height: 32, width: 32 } as const;
    const made = await prepare(colour, { form: 'square', preprocess });
    expect(made).to.deep.equal({ data: planes, shape: [3, 32, 32], size: [32, 32] });
  });

  it('input: float32 with the mean image taken off', async () => {
    const planes = new Uint8Array(3 * 32 * 32).fill(9);
    const colour = { name: 'c', planes, channels: 3, height: 32, width: 32 } as const;
    const data = new Float32Array(planes.length).map((_, i) => i % 4);
    const meanImage = { data, shape: [3, 32, 32] };
    const made = await prepare(colour, { form: 'input', preprocess, meanImage });
    if ('error' in made) throw new Error(made.error);
    expect(made.shape).to.deep.equal([1, 3, 32, 32]);
    expect([...made.data.subarray(0, 5)]).to.deep.equal([9, 8, 7, 6, 9]);
  });

  it('what cannot be used is one line that begins with its name, once', async () => {
    const none = { name: 'none.jpg', file: '/no/such/none.jpg' };
    const called = { name: '/no/such/none.jpg', file: '/no/such/none.jpg' };
    const form = { form: 'square', preprocess } as const;
    expect(await prepare(none, form)).to.deep.equal({ error: 'none.jpg: /no/such/none.jpg: no such file' });
    expect(await prepare(called, form)).to.deep.equal({ error: '/no/such/none.jpg: no such file' });
  });

  it('in order, and no more under way than is told', async () => {
    let under = 0;
    let most = 0;
    const named = async ({ name }: Picture) => {
      most = Math.max(most, ++under);
      await new Promise((done) => setTimeout(done, name === 'p0' ? 20 : 1));
      under--;
      return name;
    };
    const pictures = Array.from({ length: 6 }, (_, i) => ten.picture(i));
    const names: string[] = [];
    for await (const name of inOrder(pictures, 2, named)) names.push(name);
    expect(names).to.deep.equal(['p0', 'p1', 'p2', 'p3', 'p4', 'p5']);
    expect(most).to.equal(2);
  });

  it("a missing decoder is the whole pool's", async () => {
    const recipe = { form: 'square', preprocess, decoder: 'sharp' } as const;
    await using pool = openPool(recipe, { threads: 1 });
    const file = new URL('../../../fixtures/image/grey.jpg', import.meta.url).pathname;
    const error = await pool.prepare([{ name: 'grey.jpg', file }]).catch((e) => e);
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/^grey\.jpg: sharp (is not installed|does not load)/);
  });
});
