import { expect } from 'chai';
import {
  batchFor,
  type Failure,
  inGroups,
  type Outcome,
  openPipeline,
} from '../../../lib/classify/pipeline.ts';
import type { Picture } from '../../../lib/data/dataset.ts';
import type { Pool, Prepared } from '../../../lib/data/pool.ts';
import { inOrder } from '../../../lib/runtime/threads.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { relu } from '../../../reference/networks/layers.ts';
import { networkOf } from '../../support/models.ts';

const network = networkOf([1, 1, 2], relu('relu1'));
const lost: Failure = { image: 'lost', error: 'lost: no such file' };

/** Pictures p0, p1, …, in files or in hand. */
const pictures = (count: number, inHand: boolean): Picture[] =>
  Array.from({ length: count }, (_, i) =>
    inHand
      ? { name: `p${i}`, planes: Uint8Array.of(i), channels: 1, height: 1, width: 1 }
      : { name: `p${i}`, file: `p${i}` },
  );

/** Makes [i, i + ½] of picture i, a tenth more each view; 'p2' cannot be read. `groups`: how many came together. */
function poolOf(views: number, groups: number[] = [], wrong: Prepared = { error: 'p2: torn' }): Pool {
  const make = ({ name }: Picture): Prepared => {
    if (name === 'p2') return wrong;
    const i = Number(name.slice(1));
    const data = new Float32Array(2 * views).map((_, at) => i + (at % 2) / 2 + 8 * Math.floor(at / 2));
    return { data, shape: [views, 1, 1, 2] };
  };
  const prepare = async (given: readonly Picture[]) => {
    groups.push(given.length);
    return given.map(make);
  };
  return { threads: 3, prepare } as unknown as Pool;
}

/** Whose probabilities are the inputs themselves. */
function engineOf(batches: number[] = []) {
  const probabilities = async (inputs: readonly Float32Array<ArrayBuffer>[]) => {
    batches.push(inputs.length);
    return Float32Array.from(inputs.flatMap((input) => [...input]));
  };
  return { probabilities };
}

type Views = 1 | 2;
function pipelineOf(batch: number, pool: Pool, views: Views = 1, batches: number[] = []) {
  return openPipeline(network, [engineOf(batches)], pool, { maxBatch: batch, views });
}

async function all(given: readonly (Picture | Failure)[], batch: number, pool: Pool, batches: number[] = []) {
  const { classify, ahead } = pipelineOf(batch, pool, 1, batches);
  const found: Outcome[] = [];
  for await (const outcomes of inOrder(inGroups(given, batch), ahead, classify)) found.push(...outcomes);
  return found.map((outcome) => ('error' in outcome ? outcome : [...outcome]));
}

describe('lib/classify/pipeline', () => {
  for (const inHand of [false, true])
    it(`outcomes in order, in batches that the order alone decides (${inHand ? 'in hand' : 'files'})`, async () => {
      const [p0, p1, p2, p3, p4, p5] = pictures(6, inHand);
      const batches: number[] = [];
      expect(await all([p0, p1, p2, p3, lost, p4, p5], 3, poolOf(1), batches)).to.deep.equal([
        [0, 0.5],
        [1, 1.5],
        { image: 'p2', error: 'p2: torn' },
        [3, 3.5],
        lost,
        [4, 4.5],
        [5, 5.5],
      ]);
      expect(batches).to.deep.equal([2, 2, 1]);
    });

  it('the views of a picture are averaged', async () => {
    const outcomes = await pipelineOf(2, poolOf(2), 2).classify(pictures(2, true));
    expect(outcomes.map((p) => [...(p as Float64Array)])).to.deep.equal([
      [4, 4.5],
      [5, 5.5],
    ]);
  });

  it('of nothing that can be read nothing is computed', async () => {
    const batches: number[] = [];
    await all([pictures(3, true)[2], lost], 2, poolOf(1), batches);
    expect(batches).to.deep.equal([]);
  });

  it('pictures in hand are sent 32 at a time, or a batch; files one by one', async () => {
    const sizes = async (given: readonly (Picture | Failure)[], size: number) => {
      const groups: number[] = [];
      await all(given, size, poolOf(1, groups));
      return groups;
    };
    expect(await sizes(pictures(70, true), 64)).to.deep.equal([32, 32, 6]);
    expect(await sizes(pictures(5, true), 4)).to.deep.equal([4, 1]);
    expect(await sizes(pictures(3, false), 4)).to.deep.equal([1, 1, 1]);
    expect(
      await sizes([...pictures(2, true), lost, ...pictures(2, false), ...pictures(2, true)], 9),
    ).to.deep.equal([2, 1, 1, 2]);
  });

  it('only as many are read ahead as threads and device need', async () => {
    let asked = 0;
    function* endless() {
      for (;;) yield { ...lost, image: `p${asked++}` };
    }
    const { classify, ahead } = pipelineOf(2, poolOf(1));
    let taken = 0;
    for await (const outcomes of inOrder(inGroups(endless(), 2), ahead, classify)) {
      taken += outcomes.length;
      // two batches for the device, two for three threads
      expect(asked - taken).to.be.at.most(2 * 4);
      if (taken > 100) break;
    }
  });

  it('what does not fit the network is refused by name', async () => {
    const wrong = { data: new Float32Array(3), shape: [1, 1, 1, 3] };
    const error = await all(pictures(3, true), 3, poolOf(1, [], wrong)).catch((e) => e);
    expect(error.message).to.match(/^p2: becomes \[1,1,1,3\], but .* takes \[1,1,1,2\]: see --preprocess$/);
  });

  it('a batch suits the device, the size of the pictures and the views', () => {
    const large = networkNamed('torchvision');
    const small = networkNamed('cifar-alexnet');
    const gpu = { device: 'webgpu', refusals: [] } as const;
    const sizes = [
      batchFor(large, null),
      batchFor(large, gpu),
      batchFor(large, { ...gpu, software: 'SwiftShader' }),
    ];
    expect(sizes).to.deep.equal([4, 32, 4]);
    expect([batchFor(small, null), batchFor(small, null, 10), batchFor(large, null, 10)]).to.deep.equal([
      128, 12, 1,
    ]);
  });
});
