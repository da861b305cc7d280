import { expect } from 'chai';
import { type Picture, splitOf } from '../../../lib/data/dataset.ts';
import type { Pool, Prepared } from '../../../lib/data/pool.ts';
import { eachBatch, type LabelledBatch } from '../../../lib/evaluate/batches.ts';
import { relu } from '../../../reference/networks/layers.ts';
import { dense } from '../../../reference/tensor.ts';
import { networkOf } from '../../support/models.ts';

const network = networkOf([1, 1, 2], relu('relu1'));

/** Pictures p0, p1, … of class 10, 11, …, in files or in hand. */
const pictures = (count: number, inHand: boolean) =>
  splitOf(
    'test',
    Array.from({ length: count }, (_, i) => 10 + i),
    (i): Picture =>
      inHand
        ? { name: `p${i}`, planes: Uint8Array.of(i), channels: 1, height: 1, width: 1 }
        : { name: `p${i}`, file: `p${i}` },
  );

/** Makes [i, i + ½] of picture i, once a view; 'p2' cannot be read. `groups`: how many came together. */
function poolOf(views: number, groups: number[] = [], wrong?: Prepared): Pool {
  const make = ({ name }: Picture): Prepared => {
    if (name === 'p2') return wrong ?? { error: 'p2: torn' };
    const i = Number(name.slice(1));
    const data = Float32Array.from({ length: 2 * views }, (_, at) => i + (at % 2) / 2);
    return { data, shape: [views, 1, 1, 2] };
  };
  const prepare = async (given: readonly Picture[]) => {
    groups.push(given.length);
    return given.map(make);
  };
  return { threads: 1, prepare } as unknown as Pool;
}

async function all(...given: Parameters<typeof eachBatch>): Promise<LabelledBatch[]> {
  const found: LabelledBatch[] = [];
  for await (const batch of eachBatch(...given)) found.push(batch);
  return found;
}

describe('lib/evaluate/batches', () => {
  for (const inHand of [false, true])
    it(`what is read goes into batches in order, the rest is told (${inHand ? 'in hand' : 'files'})`, async () => {
      const batches = await all(pictures(5, inHand), network, poolOf(1), { size: 3, views: 1 });
      expect(batches.map(({ names }) => names)).to.deep.equal([
        ['p0', 'p1'],
        ['p3', 'p4'],
      ]);
      expect(batches.map(({ labels }) => labels)).to.deep.equal([
        [10, 11],
        [13, 14],
      ]);
      expect(batches.map(({ failures }) => failures)).to.deep.equal([
        [{ image: 'p2', error: 'p2: torn' }],
        [],
      ]);
      expect(batches.map(({ x }) => [x!.shape, [...dense(x!)]])).to.deep.equal([
        [
          [2, 1, 1, 2],
          [0, 0.5, 1, 1.5],
        ],
        [
          [2, 1, 1, 2],
          [3, 3.5, 4, 4.5],
        ],
      ]);
    });

  it('several views of a picture stand together', async () => {
    const [{ x }] = await all(pictures(2, true), network, poolOf(2), { size: 2, views: 2 });
    expect(x!.shape).to.deep.equal([4, 1, 1, 2]);
    expect([...dense(x!)]).to.deep.equal([0, 0.5, 0, 0.5, 1, 1.5, 1, 1.5]);
  });

  it('a batch of nothing that can be read has no numbers', async () => {
    const batches = await all(pictures(3, true), network, poolOf(1), { size: 1, views: 1 });
    expect(batches.map(({ x }) => x === null)).to.deep.equal([false, false, true]);
  });

  it('pictures in hand are sent 32 at a time, or a batch; files one by one', async () => {
    const sizes = async (count: number, size: number, inHand: boolean) => {
      const groups: number[] = [];
      await all(pictures(count, inHand), network, poolOf(1, groups), { size, views: 1 });
      return groups;
    };
    expect(await sizes(70, 64, true)).to.deep.equal([32, 32, 6]);
    expect(await sizes(5, 4, true)).to.deep.equal([4, 1]);
    expect(await sizes(3, 4, false)).to.deep.equal([1, 1, 1]);
  });

  it('what does not fit the network is refused by name', async () => {
    const wrong = { data: new Float32Array(3), shape: [1, 1, 1, 3] };
    const error = await all(pictures(3, true), network, poolOf(1, [], wrong), { size: 3, views: 1 }).catch(
      (e) => e,
    );
    expect(error.message).to.match(/^p2: becomes \[1,1,1,3\], but .* takes \[1,1,1,2\]: see --preprocess$/);
  });
});
