import { expect } from 'chai';
import { batchFor, inGroups, type Outcome, openPipeline } from '../../../lib/classify/pipeline.ts';
import type { Picture } from '../../../lib/data/dataset.ts';
import { openDataset } from '../../../lib/data/open.ts';
import { inOrder } from '../../../lib/runtime/threads.ts';
import { preprocess } from '../../../reference/input/preprocess.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { dense } from '../../../reference/tensor.ts';
import { fixture } from '../../support/data-fixtures.ts';

const network = networkNamed('cifar-alexnet');
const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** An engine whose first "probability" of an input is the sum of its values, and whose second is their number. */
function adding() {
  const batches: number[] = [];
  const probabilities = async (inputs: readonly Float32Array[]) => {
    batches.push(inputs.length);
    return Float64Array.from(inputs.flatMap((x) => [sum(x), x.length]));
  };
  return { batches, probabilities };
}

describe('lib/classify/pipeline', () => {
  it('gives each picture its own outcome, in order, in batches that the order alone decides', async () => {
    const split = (await openDataset(fixture('cifar'))).splits.get('train')!;
    const pictures: Picture[] = Array.from({ length: 7 }, (_, i) => split.picture(i));
    const missing = { name: 'gone.png', file: fixture('gone.png') };
    const lost = { image: 'lost', error: 'lost: no such file' };
    const given = [...pictures.slice(0, 2), missing, ...pictures.slice(2, 5), lost, ...pictures.slice(5)];
    const engine = adding();
    const recipe = { preprocess: network.preprocess };
    await using pipeline = openPipeline(network, engine, recipe, { batch: 4, threads: 2 });
    const outcomes: Outcome[] = [];
    for await (const batch of inOrder(inGroups(given, 4), pipeline.ahead, pipeline.classify))
      outcomes.push(...batch);
    const sums: (number | string)[] = [];
    for (let i = 0; i < 7; i++)
      sums.push(sum(dense(preprocess((await split.get(i)).image, network.preprocess))));
    sums.splice(2, 0, `gone.png: ${missing.file}: no such file`);
    sums.splice(6, 0, lost.error);
    expect(outcomes.map((one) => ('error' in one ? one.error : one[0]))).to.deep.equal(sums);
    expect(engine.batches).to.have.members([3, 3, 1]);
  });

  it('averages over the views of a picture', async () => {
    const split = (await openDataset(fixture('cifar'))).splits.get('train')!;
    const recipe = { preprocess: network.preprocess, views: 2 } as const;
    const probabilities = async (inputs: readonly Float32Array[]) =>
      Float64Array.from(inputs.flatMap((_, i) => [4 * i, 8, 4 * i + 2, 10]));
    await using pipeline = openPipeline(network, { probabilities }, recipe, { batch: 2, threads: 1 });
    const outcomes = await pipeline.classify([split.picture(0), split.picture(1)]);
    expect(outcomes.map((p) => [...(p as Float64Array)])).to.deep.equal([
      [1, 9],
      [5, 9],
    ]);
  });

  it('reads only as far ahead as threads and device need', async () => {
    let asked = 0;
    function* endless() {
      for (;;) yield { image: `p${asked}`, error: `p${asked++}: bad` };
    }
    const recipe = { preprocess: network.preprocess };
    await using pipeline = openPipeline(network, adding(), recipe, { batch: 4, threads: 3 });
    let taken = 0;
    for await (const outcomes of inOrder(inGroups(endless(), 4), pipeline.ahead, pipeline.classify)) {
      taken += outcomes.length;
      expect(asked - taken).to.be.at.most(4 * 3);
      if (taken > 100) break;
    }
  });

  it('refuses a preprocessing that does not make what the network takes', async () => {
    const split = (await openDataset(fixture('cifar'))).splits.get('train')!;
    const recipe = {
      preprocess: { ...network.preprocess, meanImage: 'none', crop: { size: 24, offset: 'floor' } } as const,
    };
    await using pipeline = openPipeline(network, adding(), recipe, { batch: 1, threads: 1 });
    const error = await pipeline.classify([split.picture(0)]).catch((reason) => reason.message);
    expect(error).to.match(/becomes \[1,3,24,24\], but cifar-alexnet takes \[1,3,28,28\]: see --preprocess/);
  });

  it('a batch suits the device, the size of the pictures and the views', () => {
    const large = networkNamed('torchvision');
    const gpu = { device: 'webgpu', refusals: [] } as const;
    const size = (...args: Parameters<typeof batchFor>) => batchFor(...args);
    expect([
      size(large, null),
      size(large, gpu),
      size(large, { ...gpu, software: 'SwiftShader' }),
    ]).to.deep.equal([4, 32, 4]);
    expect([size(network, null), size(network, null, 10), size(large, null, 10)]).to.deep.equal([128, 12, 1]);
  });
});
