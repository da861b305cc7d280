/** When a run validates, and what that means for its best epoch. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Classifier } from '../../lib/classify/classifier.ts';
import type { Dataset } from '../../lib/data/dataset.ts';
import { openDataset } from '../../lib/data/open.ts';
import { readCheckpoint, saveCheckpoint } from '../../lib/train/checkpoint.ts';
import { validate } from '../../lib/train/device.ts';
import { Diverged, train } from '../../lib/train/index.ts';
import { sized } from '../../lib/train/network.ts';
import { openUnread } from '../../lib/train/unread.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { sizeOf, tensor } from '../../reference/tensor.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

describe('validation', function () {
  this.timeout(180_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), 8, 4);
  const options = {
    data,
    network: 'cifar-alexnet',
    width: 0.05,
    batch: 4,
    device: 'cpu',
    threads: 1,
  } as const;

  it('goes every so many epochs, and after the last; only those epochs can be the best', async () => {
    const out = join(folder, 'some');
    const { history, best } = await train({ ...options, epochs: 5, validateEvery: 2, out });
    expect(history.map(({ validation }) => validation !== null)).to.deep.equal([
      false,
      true,
      false,
      true,
      true,
    ]);
    expect(best!.epoch).to.be.oneOf([2, 4, 5]);
    expect(best!.error1).to.equal(Math.min(...history.flatMap(({ validation }) => validation?.error1 ?? [])));
  });

  it('does not change what is learned', async () => {
    const [often, once] = await Promise.all(
      [1, 2].map((validateEvery) =>
        train({
          ...options,
          epochs: 2,
          schedule: 'constant',
          validateEvery,
          out: join(folder, `${validateEvery}`),
        }),
      ),
    );
    expect(once.history.map(({ loss }) => loss)).to.deep.equal(often.history.map(({ loss }) => loss));
    expect(once.history[1].validation).to.deep.equal(often.history[1].validation);
  });

  it('a plateau counts validations, not epochs', async () => {
    const plateau = { kind: 'plateau', rate: 1e-6, divisor: 10, patience: 1, drops: 1 } as const;
    const { history } = await train({
      ...options,
      epochs: 6,
      schedule: plateau,
      validateEvery: 2,
      out: join(folder, 'p'),
    });
    // nothing is learned at such a rate: validated after 2 (the best), 4 (stalled: divided), 6
    expect(history.map(({ learningRate }) => learningRate)).to.deep.equal([
      ...Array(4).fill(1e-6),
      ...Array(2).fill(1e-7),
    ]);
  });

  /** A narrow cifar-alexnet whose every weight is `value`. */
  const flat = (value: number) => {
    const network = sized(networkNamed('cifar-alexnet'), 0.05, 10);
    const filled = (shape: readonly number[]) => tensor(new Float32Array(sizeOf(shape)).fill(value), shape);
    return {
      network,
      weights: new Map([...weightShapes(network)].map(([name, shape]) => [name, filled(shape)])),
    };
  };

  const trainingOf = (pictures: Dataset) => {
    const split = pictures.splits.get('train')!;
    const parts = { train: split, validation: split };
    return { split, unread: openUnread(pictures, parts) };
  };

  it('a network that cannot tell its classes apart is right about the first alone', async () => {
    const { network, weights } = flat(0);
    const pictures = await openDataset(data);
    const { loss, error1, error5 } = (await validate(network, weights, trainingOf(pictures), {
      device: 'cpu',
    }))!;
    pictures.close();
    // labels 0 to 7, all probabilities a tenth
    expect([error1, error5]).to.deep.equal([7 / 8, 3 / 8]);
    // exp(0) = 1 and their sum are exact; 1/10 and its product with 1 are rounded to float32, and −log p moves by
    // what p moves relatively: 2u, u = 2⁻²⁴
    expect(loss).to.be.closeTo(Math.log(10), 2 ** -23);
  });

  it('weights that overflow give no results, and predict says so in a line', async () => {
    const { network, weights } = flat(1e30);
    const pictures = await openDataset(data);
    expect(await validate(network, weights, trainingOf(pictures), { device: 'cpu' })).to.equal(null);
    pictures.close();
    await using net = await Classifier.open({ network: 'cifar-alexnet', weights, device: 'cpu' });
    const [prediction] = await net.classify('fixtures/image/5x3-interlaced.png');
    expect(prediction.guesses).to.equal(undefined);
    expect(prediction.error).to.match(/^fixtures.*png: the network gives NaN for a probability: [^\n]*$/);
    const holes = new Map([...weights, ['fc8.bias', tensor(new Float32Array(10).fill(Number.NaN), [10])]]);
    const refused = await Classifier.open({ network: 'cifar-alexnet', weights: holes }).catch(
      (e: Error) => e,
    );
    expect((refused as Error).message).to.equal('fc8.bias holds NaN or infinity');
  });

  it('a run ends, and overwrites nothing, where its weights have grown beyond all use', async () => {
    const out = join(folder, 'grown');
    const { files } = await train({ ...options, epochs: 1, out });
    const best = readFileSync(files.best!);
    const wild = { ...options, epochs: 2, out, resume: true } as const;
    const { state, progress } = readCheckpoint(files.checkpoint);
    const weights = new Map(state.weights);
    weights.set('fc8.bias', tensor(new Float32Array(10).fill(1e15), [10]));
    await saveCheckpoint(out, progress, { ...state, weights });
    const damagedFile = readFileSync(files.checkpoint);
    const error = await train(wild).catch((e: Error) => e);
    expect(error).to.be.instanceOf(Diverged);
    expect((error as Error).message).to.match(
      /^a weight of fc8\.bias has grown to 1\.0e\+15 after step \d+: try a lower/,
    );
    expect(readFileSync(files.best!)).to.deep.equal(best);
    expect(readFileSync(files.checkpoint)).to.deep.equal(damagedFile);
  });
});
